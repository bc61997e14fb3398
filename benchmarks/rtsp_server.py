"""A network camera made of a film: GStreamer's RTSP server, which notes when it sent which frame.

    /usr/bin/python3 benchmarks/rtsp_server.py FILM.mp4 PORT SENT.log

Needs the system's Python and, on Debian, gir1.2-gst-rtsp-server-1.0, python3-gi,
gstreamer1.0-plugins-base, -good and -bad. The film (H.264 at 30 frames a second) goes out in real
time to everybody who asks for rtsp://127.0.0.1:PORT/camera.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - after their versions


def main() -> None:
    film, port, sent = sys.argv[1:4]
    Gst.init(None)
    log = Path(sent).open("a", buffering=1)  # noqa: SIM115 - open as long as it runs
    server = GstRtspServer.RTSPServer()
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    # identity lets each frame pass when its time has come, as a camera does.
    factory.set_launch(
        f"( filesrc location={film} ! qtdemux ! h264parse ! identity name=clock sync=true"
        " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
    )

    def on_frame(_: object, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        number = round(info.get_buffer().pts / Gst.SECOND * 30)
        log.write(f"{number} {time.monotonic():.6f}\n")
        return Gst.PadProbeReturn.OK

    def configure(_: object, media: GstRtspServer.RTSPMedia) -> None:
        clock = media.get_element().get_by_name("clock")
        clock.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, on_frame)

    factory.connect("media-configure", configure)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
