"""The window, on a real X server without a screen (Xvfb)."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from masklens.errors import OutputError
from masklens.io.window import Window


@pytest.fixture(scope="module")
def server():
    """A virtual display; failed in CI where Xvfb is missing, else skipped.

    One for all tests: Tk keeps its connection to a display for as long as the process lives.
    """
    if shutil.which("Xvfb") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Xvfb: apt-get install xvfb")
    pytest.importorskip("tkinter")
    read, write = os.pipe()
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(write),
            "-screen",
            "0",
            "640x480x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    _wait_for_server(f":{number}")
    yield f":{number}"
    server.kill()
    server.wait()


@pytest.fixture
def display(server, monkeypatch):
    monkeypatch.setenv("DISPLAY", server)
    return server


def _wait_for_server(name):
    """It says its number a moment before it takes connections."""
    import tkinter

    for _ in range(50):
        try:
            tkinter.Tk(screenName=name).destroy()
        except tkinter.TclError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("Xvfb takes no connections")


def press(window, key):
    window._root.focus_force()
    window._root.update()
    window._root.event_generate(f"<KeyPress-{key}>")
    window.listen()


def colour_on_screen(window):
    """The pixel in the middle of the window, asked from the X server."""
    from PIL import ImageGrab

    root = window._root
    root.update()
    x, y = root.winfo_rootx() + root.winfo_width() // 2, root.winfo_rooty() + 20
    return ImageGrab.grab(xdisplay=os.environ["DISPLAY"]).getpixel((x, y))


def test_pictures_are_seen(display):
    with Window("test") as window:
        for colour in ((200, 30, 30), (30, 30, 200)):
            for _ in range(5):
                window.show(np.full((120, 160, 3), colour, np.uint8))
                time.sleep(0.02)
            assert colour_on_screen(window) == colour


def test_large_pictures_are_made_to_fit(display):
    with Window("test") as window:
        window.show(np.zeros((2000, 3000, 3), np.uint8))
        assert window._root.winfo_width() <= 640


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_quitting(display, key):
    with Window("test") as window:
        window.show(np.zeros((120, 160, 3), np.uint8))
        assert not window.closed
        press(window, key)
        assert window.closed


def test_pause_and_save(display):
    with Window("test") as window:
        window.show(np.zeros((120, 160, 3), np.uint8))
        press(window, "space")
        assert window.paused
        press(window, "space")
        assert not window.paused
        assert not window.wants_picture
        press(window, "s")
        assert window.wants_picture
        assert not window.wants_picture


def test_without_a_display_it_says_so_in_one_line(monkeypatch):
    pytest.importorskip("tkinter")
    if sys.platform != "linux":
        pytest.skip("only X servers can be absent")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(OutputError, match="no display") as caught:
        Window("test")
    assert "\n" not in str(caught.value)
