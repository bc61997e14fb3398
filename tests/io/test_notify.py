"""Delivering events: real commands, and a real server."""

import base64
import json
import os
import shlex
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from masklens.errors import OutputError
from masklens.io import notify
from masklens.io.notify import Notifier

EVENT = {
    "source": "rtsp://hall.local/ä",
    "kind": "person",
    "frame": 50,
    "time": 2.0,
    "track": 3,
    "label": "without_mask",
    "score": 0.93,
    "seconds": 2.0,
    "counts": {"with_mask": 1, "without_mask": 1, "mask_worn_incorrectly": 0},
}


@pytest.fixture
def said():
    return []


def command(tmp_path, code):
    """A command that runs some Python."""
    script = tmp_path / "alarm me.py"
    script.write_text(f"import json, os, sys, time, subprocess\n{code}\n")
    return shlex.join([sys.executable, str(script)])


def deliver(target, said, *events):
    """How long it took to hand the events over, and all in all."""
    began = time.monotonic()
    with Notifier(target, lambda error: said.append(str(error))) as notifier:
        for event in events or [EVENT]:
            notifier.send(event)
        handed = time.monotonic() - began
    assert not notifier._thread.is_alive()
    return handed, time.monotonic() - began


def children():
    """The processes that this one has started and not reaped."""
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()


def is_running(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_gets_the_event(tmp_path, said):
    out = tmp_path / "out.json"
    code = f"""
event = json.load(open(0, encoding="utf-8"))
variables = {{k: v for k, v in os.environ.items() if k.startswith("MASKLENS_")}}
print("chatter"); print("chatter", file=sys.stderr)
json.dump([event, variables, os.getsid(0) == os.getpid()], open({str(out)!r}, "w"))"""
    deliver(command(tmp_path, code), said)
    event, variables, alone = json.loads(out.read_text())
    assert (event, alone, said) == (EVENT, True, [])
    assert variables.pop("MASKLENS_SOURCE") == EVENT["source"]
    assert {k: v for k, v in variables.items() if k != "MASKLENS_DATA"} == {
        "MASKLENS_KIND": "person",
        "MASKLENS_TIME": "2.0",
        "MASKLENS_TRACK": "3",
        "MASKLENS_LABEL": "without_mask",
        "MASKLENS_SCORE": "0.93",
    }


def test_no_shell_reads_the_command(tmp_path, said):
    deliver(f"touch '{tmp_path}/a b' {tmp_path}/$HOME {tmp_path}/c;d", said)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["$HOME", "a b", "c;d"]


def test_a_command_with_paths_of_windows(monkeypatch):
    """Backslashes were taken for escapes: C:Usersmebell.bat was not found."""
    monkeypatch.setattr(sys, "platform", "win32")
    line = r"""C:\Users\me\bell.bat "D:\My Sounds\O'Brien.wav" /v:5"""
    expected = [r"C:\Users\me\bell.bat", r"D:\My Sounds\O'Brien.wav", "/v:5"]
    assert notify._split(line) == expected


def test_a_command_is_run_where_it_was_found(tmp_path, said, monkeypatch):
    """Windows finds bell.bat for "bell", but runs only programs by such a name."""
    made = tmp_path / "bell.bat"
    made.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'rung'}'\n")
    made.chmod(0o755)
    monkeypatch.setattr(notify.shutil, "which", {"bell": str(made)}.get)
    deliver("bell", said)
    assert (said, (tmp_path / "rung").exists()) == ([], True)


def test_nowhere_starts_nothing(said):
    before = threading.active_count()
    with Notifier(None, said.append) as notifier:
        notifier.send(EVENT)
        assert threading.active_count() == before
    assert said == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("sys.exit(3)", "failed: exit status 3."),
        ("os.kill(os.getpid(), 9)", "failed: signal 9."),
        ("os.close(0); sys.exit(0)", None),  # it need not read
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path, said, code, message):
    secret = command(tmp_path, code) + " --password=secret"
    deliver(secret, said, EVENT, EVENT)
    assert said == ([f"The alarm's command {sys.executable} {message}"] * 2 if message else [])


def test_a_command_that_goes_missing_is_one_line(tmp_path, said):
    script = tmp_path / "alarm"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with Notifier(str(script), lambda error: said.append(str(error))) as notifier:
        script.unlink()
        notifier.send(EVENT)
    assert said == [f"The alarm's command {script} cannot be run: No such file or directory."]


@pytest.fixture
def hanging(tmp_path):
    """A command that never ends and has started another one, and the file of their ids."""
    script, pids = tmp_path / "hang", tmp_path / "pids"
    script.write_text(f"#!/bin/sh\nsleep 1000 & echo $$ $! > '{pids}'\nwait\n")
    script.chmod(0o755)
    return script, pids


def test_a_command_that_hangs_is_ended_with_all_it_started(hanging, said, monkeypatch):
    monkeypatch.setattr(notify, "COMMAND_TIMEOUT", 2.0)
    script, pids = hanging
    with Notifier(str(script), lambda error: said.append(str(error))) as notifier:
        began = time.monotonic()
        notifier.send(EVENT)
        assert time.monotonic() - began < 1
        while not said:
            assert time.monotonic() - began < 20
            time.sleep(0.05)
    assert said == [f"The alarm's command {script} took too long and was ended."]
    assert_gone(pids)


def assert_gone(pids):
    deadline = time.monotonic() + 5  # whose parent has died is reaped by the system
    while any(is_running(pid) for pid in pids.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert children() == ""


def test_the_end_does_not_wait_for_a_command_that_hangs(hanging, said, monkeypatch):
    monkeypatch.setattr(notify, "CLOSE_TIMEOUT", 2.0)
    script, pids = hanging
    handed, total = deliver(str(script), said, *[EVENT] * 4)
    assert handed < 1
    assert 1.9 < total < 6
    assert said == [
        f"The alarm's command {script} took too long and was ended.",
        "Alarms not delivered before the end: 3.",
    ]
    assert_gone(pids)


def test_a_full_queue_leaves_out_and_says_so_once(tmp_path, said, monkeypatch):
    monkeypatch.setattr(notify, "CLOSE_TIMEOUT", 0.5)
    events = [EVENT | {"track": number} for number in range(notify.WAITING + 20)]
    handed, _ = deliver(command(tmp_path, "time.sleep(1000)"), said, *events)
    assert handed < 1
    assert [line for line in said if "left out" in line] == [
        f"{notify.WAITING} alarms wait to be delivered: more are left out."
    ]


def test_how_many_wait_and_that_a_second_jam_is_said_as_well(tmp_path, said):
    script, begun, go, ended = (tmp_path / name for name in ("alarm", "begun", "go", "ended"))
    script.write_text(
        f"#!/bin/sh\ntouch '{begun}'\nuntil [ -e '{go}' ]; do sleep 0.02; done\necho >> '{ended}'\n"
    )
    script.chmod(0o755)
    with Notifier(str(script), lambda error: said.append(str(error))) as notifier:
        for jam in (1, 2):
            notifier.send(EVENT)
            wait_for(begun.exists)
            for _ in range(notify.WAITING):
                notifier.send(EVENT)
            assert len(said) == jam - 1
            notifier.send(EVENT)
            notifier.send(EVENT)
            assert len(said) == jam
            go.touch()
            delivered = jam * (1 + notify.WAITING)
            wait_for(lambda number=delivered: ended.exists() and ended.stat().st_size == number)
            go.unlink()
            begun.unlink()
    assert said == [f"{notify.WAITING} alarms wait to be delivered: more are left out."] * 2


def wait_for(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_at_the_end_is_still_delivered_in_order(tmp_path, said):
    out = tmp_path / "out"
    code = f"open({str(out)!r}, 'a').write(os.environ['MASKLENS_TRACK'] + ' ')"
    deliver(command(tmp_path, code), said, *(EVENT | {"track": n} for n in range(4)))
    assert (out.read_text(), said) == ("0 1 2 3 ", [])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("no-such-command --x", "There is no command no-such-command"),
        ("sh -c 'x", "cannot be split"),
        ("ftp://host/x", "There is no command ftp://host/x"),
        ("http://", "cannot be used"),
        ("http://:80/x", "cannot be used"),
        ("http://host:99999/x", "cannot be used"),
        ("HTTP://[::1/x", "cannot be used"),
        ("http://hall..local/x?secret", "cannot be used"),
        (f"http://{'a' * 64}.local/x", "cannot be used"),
        ("http://host/a b?secret", "cannot be used"),
        ("http://host/\x7f?secret", "cannot be used"),
        ("http://host/ä", "cannot be used"),
    ],
)
def test_what_can_never_work_is_found_out_before(target, message, said):
    with pytest.raises(OutputError, match=message) as caught:
        Notifier(target, said.append)
    assert "secret" not in str(caught.value)


@pytest.fixture
def server():
    """Takes what is posted; its path says how it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, dict(self.headers), body))
            if self.path == "/hang":
                stop.wait(30)
            while self.path == "/drip" and not stop.wait(0.1):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            status = {"/ok": 204, "/moved": 302}.get(self.path.partition("?")[0], 500)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/ok")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_):
            pass

    posted, stop = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        listening.posted = posted
        listening.place = f"127.0.0.1:{listening.server_address[1]}"
        yield listening
        stop.set()
        listening.shutdown()
        thread.join()


def test_an_event_is_posted(server, said):
    handed, _ = deliver(f"http://m%40e:p%40ss@{server.place}/ok?key=1#x", said)
    assert (handed < 1, said) == (True, [])
    ((path, headers, body),) = server.posted
    assert (path, json.loads(body)) == ("/ok?key=1", EVENT)
    assert headers["Content-Type"] == "application/json"
    assert base64.b64decode(headers["Authorization"].split()[1]) == b"m@e:p@ss"
    assert headers["Host"] == server.place


def test_a_name_that_is_no_text_is_posted_too(server, said):
    """Of a film whose name was written in another encoding."""
    event = EVENT | {"source": os.fsdecode(b"caf\xe9.mp4")}
    deliver(f"http://{server.place}/ok", said, event, EVENT)
    assert ([json.loads(body) for _, _, body in server.posted], said) == ([event, EVENT], [])


def test_answers_that_refuse_are_one_line_without_secrets(server, said):
    for path in ("broken", "moved"):
        deliver(f"http://me:secret@{server.place}/{path}?key=secret", said)
    assert said == [
        f"An alarm did not reach http://{server.place}: it answered 500.",
        f"An alarm did not reach http://{server.place}: it answered 302.",
    ]
    assert len(server.posted) == 2  # the redirection was not followed


def test_a_server_that_keeps_silent_or_is_not_there(server, said, monkeypatch):
    monkeypatch.setattr(notify, "POST_TIMEOUT", 0.5)
    handed, total = deliver(f"http://{server.place}/hang", said)
    assert handed < 0.4
    assert 0.4 < total < 5
    for address in ("http://127.0.0.1:9/x", "http://me:secret@[::1]:9/x"):
        deliver(address, said)
    assert said.pop().startswith("An alarm did not reach http://[::1]:9: ")
    assert said == [
        f"An alarm did not reach http://{server.place}: timed out.",
        "An alarm did not reach http://127.0.0.1:9: Connection refused.",
    ]


def test_the_end_waits_for_a_silent_server_no_longer_than_it_says(server, said, monkeypatch):
    monkeypatch.setattr(notify, "POST_TIMEOUT", 1.0)
    monkeypatch.setattr(notify, "CLOSE_TIMEOUT", 1.0)
    _, total = deliver(f"http://{server.place}/hang", said, *[EVENT] * 5)
    assert total < 6
    assert said[-1] == "Alarms not delivered before the end: 4."


def test_the_end_does_not_wait_for_an_answer_that_has_none(server, said, monkeypatch):
    monkeypatch.setattr(notify, "CLOSE_TIMEOUT", 0.5)
    with Notifier(f"http://{server.place}/drip", lambda error: said.append(str(error))) as notifier:
        for _ in range(3):
            notifier.send(EVENT)
    assert said == ["Alarms not delivered before the end: 3."]
