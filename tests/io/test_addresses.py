import nturl2path
import urllib.request

import pytest

from masklens.io.addresses import plain_path, without_password


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("file:///C:/My%20Films/a.mp4", r"C:\My Films\a.mp4"),
        ("FILE://localhost/D:/a.mp4", r"D:\a.mp4"),
        (r"C:\a.mp4", r"C:\a.mp4"),
    ],
)
def test_files_of_windows(monkeypatch, address, named):
    monkeypatch.setattr(urllib.request, "url2pathname", nturl2path.url2pathname)
    assert plain_path(address) == named
    assert without_password(named) == named


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://me:pw@host:554/a?b=c@d", "rtsp://host:554/a?b=c@d"),
        ("http://cam/?user=me&password=hush/?=#x&w=2", "http://cam/?user=***&password=***&w=2"),
        (
            "http://cam/v.cgi?loginuse=me&loginpas=hush",
            "http://cam/v.cgi?loginuse=***&loginpas=***",
        ),
        ("rtsp://cam/user=me_password=hush_channel=1", "rtsp://cam/user=***"),
        ("http://cam/a?w=2&PWD=hush", "http://cam/a?w=2&PWD=***"),
        ("http://cam?api_key=hush", "http://cam?api_key=***"),
        ("http://cam/a.mp4?access_token=hush", "http://cam/a.mp4?access_token=***"),
        ("http://box/?src=rtsp://me:hush@cam/a", "http://box/?src=rtsp://cam/a"),
        ("http://cam/?channel=1&subtype=0", "http://cam/?channel=1&subtype=0"),
        ("rtsp://me:hu/sh@cam:554/a", "rtsp://cam:554/a"),
        ("rtsp://me:12/sh@10.0.0.7/a", "rtsp://10.0.0.7/a"),
        ("rtsp://me:12/sh@cam:554/a", "rtsp://cam:554/a"),
        ("rtsp://me:12/sh@[fe80::1]/a", "rtsp://[fe80::1]/a"),
        ("rtsp://[fe80::1]:554/profile@1", "rtsp://[fe80::1]:554/profile@1"),
        ("http://box:80/?src=rtsp://me:hush@10.0.0.7/a", "http://box:80/?src=rtsp://10.0.0.7/a"),
        ("http://box:80/?src=rtsp://me:12/sh@cam:554/a", "http://box:80/?src=rtsp://cam:554/a"),
        ("rtsp://me:hu@sh@cam/a", "rtsp://cam/a"),
        ("me:hush@cam/a", "cam/a"),
        ("http://cam:80/profile@1/a.mp4", "http://cam:80/profile@1/a.mp4"),
        ("walk: me@home.mp4", "walk: me@home.mp4"),
        ("http://cam/live?u=me&p=hush&up=1", "http://cam/live?u=***&p=***&up=1"),
        ("srt://box:8890?streamid=read:hall:me:hush", "srt://box:8890?streamid=***"),
        ("http://cam/?streamid=1&w=2", "http://cam/?streamid=1&w=2"),
        ("0", "0"),
        ("a@b.mp4", "a@b.mp4"),
        ("a/password=1.mp4", "a/password=1.mp4"),
    ],
)
def test_passwords_are_not_shown(address, shown):
    assert without_password(address) == shown
