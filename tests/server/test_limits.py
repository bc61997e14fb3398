import http.client
import io
import json
import random
import socket
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from benchmarks.api_load import hammer
from PIL import Image as PillowImage

from tests.server.conftest import error_of, request_head, wait_for


def png_header(width, height):
    """A PNG that promises so many pixels and holds none of them."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99))


def bomb(style, side=7200):
    """A small file of 52 megapixels."""
    out = io.BytesIO()
    mode = "P" if style == "GIF" else "L"
    image = PillowImage.new(mode, (side, side))
    options = {
        "TIFF": {"compression": "tiff_deflate"},
        "AVIF": {"speed": 10},
        "WEBP": {"method": 0},
    }
    image.save(out, style, **options.get(style, {}))
    return out.getvalue()


def noise():
    """A picture that PNG cannot make smaller than its 12 MB of pixels."""
    out = io.BytesIO()
    pixels = random.Random(0).randbytes(12_000_000)
    PillowImage.frombytes("RGB", (2000, 2000), pixels).save(out, "JPEG")
    return out.getvalue()


def slow_reader():
    """A connection, yet to be made, for which the system holds little of an answer."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    return connection


def asking_for_png(port, content):
    """A slow reader that has sent a picture and wants it back, with faces drawn into it."""
    connection = slow_reader()
    connection.settimeout(120)
    connection.connect(("127.0.0.1", port))
    head = request_head(len(content), "/v1/detect/annotated")
    connection.sendall(head.replace(b"\r\n\r\n", b"\r\nAccept: image/png\r\n\r\n") + content)
    return connection


def many_scans(image, scans):
    """A progressive JPEG whose last scan comes again and again."""
    out = io.BytesIO()
    image.save(out, "JPEG", progressive=True)
    content = out.getvalue()
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans + content[-2:]


# size


def test_a_body_that_is_declared_too_large(client):
    answer = client.post("/v1/detect", content=b"\xff\xd8" + bytes(20_000_001))
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "too_large"
    assert "20 MB" in error_of(answer)["message"]


def test_a_body_without_a_length_is_counted_while_it_arrives(server, client):
    sent = 0

    def pieces():
        nonlocal sent
        for _ in range(400):
            sent += 100_000
            yield bytes(100_000)

    answer = client.post("/v1/detect", content=pieces())
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "too_large"
    assert client.get("/healthz").status_code == 200


def test_a_form_is_counted_too(client):
    answer = client.post("/v1/detect", files={"picture": ("a.jpg", bytes(20_000_001))})
    assert answer.status_code == 413


def test_just_within_the_size(client, portrait_file):
    content = portrait_file.read_bytes()
    content += bytes(20_000_000 - len(content))
    assert client.post("/v1/detect", content=content).status_code == 200


@pytest.mark.parametrize("style", ["PNG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG"])
def test_bombs_are_refused_from_their_header(server, client, style):
    content = bomb(style)
    assert len(content) < 5_000_000
    before = server.memory()
    answer = client.post("/v1/detect", content=content)
    assert answer.status_code == 413
    error = error_of(answer)
    assert error["code"] == "too_many_pixels"
    assert "7200×7200" in error["message"]
    assert server.memory() - before < 60e6


def test_a_header_that_lies(client):
    answer = client.post("/v1/detect", content=png_header(2_000_000_000, 2_000_000_000))
    assert answer.status_code in (413, 415, 422)
    answer = client.post("/v1/detect", content=png_header(5000, 5000))
    assert answer.status_code == 422
    assert error_of(answer)["code"] == "damaged_picture"


def test_endless_scans_are_refused_before_they_are_decoded(client, portrait):
    assert (
        client.post(
            "/v1/detect", content=many_scans(PillowImage.fromarray(portrait), 3)
        ).status_code
        == 200
    )
    content = many_scans(PillowImage.new("L", (4000, 4000), 90), 500)
    assert len(content) < 5_000_000
    start = time.monotonic()
    answer = client.post("/v1/detect", content=content)
    assert answer.status_code == 422
    assert "scans" in error_of(answer)["message"]
    assert time.monotonic() - start < 2


def test_endless_exif_data_is_refused_before_it_is_joined(client, portrait_file):
    content = portrait_file.read_bytes()
    segment = b"\xff\xe1\0\x09Exif\0\0A"
    answer = client.post("/v1/detect", content=content[:2] + segment * 50_000 + content[2:])
    assert answer.status_code == 422
    assert "EXIF" in error_of(answer)["message"]


def test_too_many_pictures(client, portrait_file):
    files = [("picture", (f"{i}.jpg", b"x")) for i in range(17)]
    answer = client.post("/v1/detect", files=files)
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "too_many_pictures"


def test_faces_beyond_the_limit_are_counted(limited, portrait):
    pair = PillowImage.new("RGB", (1024, 512))
    for left in (0, 512):
        pair.paste(PillowImage.fromarray(portrait), (left, 0))
    out = io.BytesIO()
    pair.save(out, "PNG")
    server = limited(faces=1)
    answer = httpx.post(f"{server.address}/v1/detect?threshold=0", content=out.getvalue()).json()
    (picture,) = answer["pictures"]
    assert len(picture["faces"]) == 1
    assert picture["faces_omitted"] >= 1


# what is no picture


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 400, "no_picture"),
        (b"%PDF-1.7", {}, 415, "not_a_picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", {}, 415, None),
        (b'{"picture": "aGk="}', {"Content-Type": "application/json"}, 415, "unsupported_type"),
        (b"x", {"Content-Type": "text/plain"}, 415, "unsupported_type"),
        (b"x", {"Content-Type": "multipart/form-data"}, 400, "bad_form"),
        (b"x", {"Content-Type": "multipart/form-data; boundary=b"}, 400, None),
        (
            b"--b\r\n\r\n\r\n--b--\r\n",
            {"Content-Type": "multipart/form-data; boundary=b"},
            400,
            None,
        ),
        (b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}, 400, None),
    ],
)
def test_bad_bodies(client, content, headers, status, code):
    answer = client.post("/v1/detect", content=content, headers=headers)
    assert answer.status_code == status
    error = error_of(answer)
    assert code is None or error["code"] == code


def test_a_form_that_is_cut_off_says_so(client, portrait_file):
    """Wherever that is: in the first picture, after it, or in the last boundary."""
    files = [("picture", ("a.jpg", portrait_file.read_bytes()))] * 2
    whole = httpx.Request("POST", "http://any", files=files)
    content = whole.read()
    headers = {"Content-Type": whole.headers["content-type"]}
    for length in (10, 60, 5000, len(content) // 2 + 5000, len(content) - 4):
        answer = client.post("/v1/detect", content=content[:length], headers=headers)
        assert answer.status_code == 400
        error = error_of(answer)
        assert error["code"] == "bad_form"
        assert "form broke off" in error["message"]
    # What a line break would follow is the end already.
    assert client.post("/v1/detect", content=content[:-2], headers=headers).status_code == 200


def test_a_form_with_options_in_it_says_where_they_belong(client, portrait_file):
    answer = client.post(
        "/v1/detect",
        files={"picture": portrait_file.read_bytes()},
        data={"threshold": "0.9"},
    )
    assert answer.status_code == 400
    assert "?threshold=" in error_of(answer)["message"]


@pytest.mark.parametrize("charset", ["undefined", "idna", "unicode_escape", "utf-7", "bogus"])
@pytest.mark.parametrize("kind", ['filename="\\ud800+2AA-\xff.jpg"', "options=1"])
def test_forms_in_any_charset(client, portrait_file, charset, kind):
    head = f'--B\r\nContent-Disposition: form-data; name="+2AA-\\ud800"; {kind}\r\n\r\n'
    answer = client.post(
        "/v1/detect",
        content=head.encode("latin-1") + portrait_file.read_bytes() + b"\r\n--B--\r\n",
        headers={"Content-Type": f"multipart/form-data; boundary=B; charset={charset}"},
    )
    if answer.status_code != 200:
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "bad_form"


def test_a_truncated_picture(client, portrait_file):
    answer = client.post("/v1/detect", content=portrait_file.read_bytes()[:5000])
    assert answer.status_code == 422
    assert error_of(answer)["code"] == "damaged_picture"


# time and places


def test_past_capacity_there_is_429_and_the_queue_does_not_grow(limited, portrait_file):
    server = limited(queue=4)
    answers = hammer(server.port, [portrait_file.read_bytes()] * 60, 24, watch=True)
    statuses = {answer.status for answer in answers}
    assert statuses == {200, 429}
    assert all(int(a.retry_after) >= 1 for a in answers if a.status == 429)
    assert max(answer.depth for answer in answers) <= 4
    assert server.metric("masklens_queue_pictures") == 0
    assert server.metric("masklens_held_bytes") == 0


def test_all_bodies_together_have_a_budget(limited, portrait_file):
    server = limited(memory=3_000_000)
    holding = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
    for connection in holding:
        connection.sendall(request_head(2_000_000) + bytes(1_400_000))
    wait_for(lambda: server.metric("masklens_held_bytes") == 2_800_000)
    answer = httpx.post(f"{server.address}/v1/detect", content=bytes(500_000))
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    for connection in holding:
        connection.close()
    wait_for(lambda: server.metric("masklens_held_bytes") == 0)
    content = portrait_file.read_bytes()
    assert httpx.post(f"{server.address}/v1/detect", content=content).status_code == 200


def test_clients_that_leave_give_their_places_back(server, client, portrait_file):
    content = portrait_file.read_bytes()
    for _ in range(3):
        connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        for connection in connections:
            connection.sendall(request_head(len(content)) + content)
        for connection in connections:
            connection.close()
    half = socket.create_connection(("127.0.0.1", server.port))
    half.sendall(request_head(len(content)) + content[:100])
    half.close()
    wait_for(lambda: server.metric("masklens_queue_pictures") == 0)
    wait_for(lambda: server.metric("masklens_held_bytes") == 0)
    wait_for(lambda: server.metric("masklens_open_requests") == 1)  # the question itself
    assert client.post("/v1/detect", content=content).status_code == 200


def test_what_takes_too_long_is_answered_all_the_same(limited, portrait_file):
    server = limited(seconds=0.001)
    answer = httpx.post(f"{server.address}/v1/detect", content=portrait_file.read_bytes())
    assert answer.status_code == 503
    assert error_of(answer)["code"] == "too_slow"
    assert "Retry-After" in answer.headers
    wait_for(lambda: server.metric("masklens_queue_pictures") == 0)


def test_slow_bodies_end_while_others_are_served(limited, portrait_file):
    server = limited(stall=1.0, transfer=2.0)
    start = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", server.port))
    silent.sendall(request_head(1000) + b"\xff\xd8")
    dripping = socket.create_connection(("127.0.0.1", server.port))
    dripping.sendall(request_head(1000))
    content = portrait_file.read_bytes()
    assert httpx.post(f"{server.address}/v1/detect", content=content).status_code == 200
    dripping.settimeout(0.25)
    heard = b""
    while not heard and time.monotonic() - start < 10:
        dripping.sendall(b"x")
        try:
            heard = dripping.recv(1000)
        except TimeoutError:
            continue
    assert heard.startswith(b"HTTP/1.1 408")
    assert 1.5 < time.monotonic() - start < 9
    silent.settimeout(5)
    assert silent.recv(1000).startswith(b"HTTP/1.1 408")
    silent.close()
    dripping.close()


def test_headers_that_never_end_and_answers_that_nobody_reads(limited, portrait):
    server = limited(stall=1.0)
    silent = socket.create_connection(("127.0.0.1", server.port))
    dripping = socket.create_connection(("127.0.0.1", server.port))
    dripping.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    deaf = slow_reader()
    deaf.connect(("127.0.0.1", server.port))
    deaf.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
    end = time.monotonic() + 10
    for connection in (silent, dripping):
        connection.settimeout(0.3)
        closed = False
        while not closed and time.monotonic() < end:
            try:
                if connection is dripping:
                    connection.sendall(b"X: y\r\n")
                closed = connection.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed
    wait_for(lambda: server.metric("masklens_open_requests") == 1)
    deaf.close()


def test_a_client_that_reads_slowly_gets_the_whole_answer(limited):
    """One of several stalls, and of more bytes than the system holds for it."""
    server = limited(stall=1.0)
    with asking_for_png(server.port, noise()) as connection:
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        promised = int(answer.headers["Content-Length"])
        assert promised > 10_000_000
        pieces = []
        while piece := answer.read(200_000):
            pieces.append(len(piece))
            time.sleep(0.06)
    assert sum(pieces) == promised


def test_answers_are_held_until_they_are_read(limited):
    """Of the memory for all bodies, which has room for one of these answers."""
    server = limited(memory=15_000_000)
    content = noise()
    with asking_for_png(server.port, content) as slow:
        assert slow.recv(20).startswith(b"HTTP/1.1 200")
        wait_for(lambda: server.metric("masklens_held_bytes") > 10_000_000)
        headers = {"Accept": "image/png"}
        url = f"{server.address}/v1/detect/annotated"
        answer = httpx.post(url, content=content, headers=headers, timeout=120)
        assert answer.status_code == 429
        assert error_of(answer)["code"] == "busy"
    wait_for(lambda: server.metric("masklens_held_bytes") == 0)
    assert httpx.post(url, content=content, headers=headers, timeout=120).status_code == 200
    assert server.stop() == (0, "")


def test_an_answer_is_not_read_for_longer_than_a_body_may_take(limited):
    server = limited(transfer=2.0, stall=600.0)
    with asking_for_png(server.port, noise()) as slow:
        assert slow.recv(20).startswith(b"HTTP/1.1 200")
        wait_for(lambda: server.metric("masklens_held_bytes") == 0)
        wait_for(lambda: server.metric("masklens_open_requests") == 1)
    assert server.stop() == (0, "")


def test_a_deaf_client_does_not_stay_by_asking_for_more(limited):
    server = limited(stall=1.0)
    request = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with slow_reader() as deaf:
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(request * 40)
        time.sleep(0.5)  # by now it waits for the client
        deaf.sendall(request)
        wait_for(lambda: server.metric("masklens_open_requests") == 1)


def test_connections_beyond_the_limit_are_closed(limited):
    server = limited(connections=5, stall=30.0)

    def answers():
        try:
            return server.metric("masklens_open_requests") == 1
        except (OSError, http.client.HTTPException):
            return False

    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
    assert not answers()
    for connection in held:
        connection.close()
    wait_for(answers)


def said(connection):
    """All that the server says until it hangs up."""
    answer = b""
    while piece := connection.recv(10_000):
        answer += piece
    return answer


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"nonsense\r\n\r\n", id="words"),
        pytest.param(b"A" * 66_000, id="an endless line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="TLS"),
        pytest.param(b"GET /healthz HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(
            b"POST /v1/detect HTTP/1.1\r\nHost: a\r\nContent-Length: 1_000\r\n\r\n",
            id="odd length",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n",
            id="odd chunk",
        ),
        pytest.param(
            b"POST /v1/detect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nsize\r\n",
            id="odd chunk of a refused request",
        ),
    ],
)
def test_what_is_no_http_gets_an_error_like_any_other(limited, request_):
    server = limited()
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(request_)
        head, _, body = said(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert b"content-security-policy: default-src 'none'" in head.lower()
    assert json.loads(body)["error"]["code"] == "bad_request"
    assert server.stop() == (0, "")


def test_http_1_0_needs_no_name(limited):
    """As load balancers ask for health."""
    server = limited()
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert said(connection).startswith(b"HTTP/1.1 200")


def test_rubbish_behind_a_refusal_ends_the_connection_and_nothing_else(limited):
    server = limited()
    head = request_head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(head.replace(b"localhost", b"evil.example"))
        assert connection.recv(1000).startswith(b"HTTP/1.1 421")
        connection.sendall(b"size\r\n")
        said(connection)
    assert server.stop() == (0, "")


def test_asking_for_a_websocket_is_answered_without_a_line_in_the_log(limited):
    server = limited()
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert httpx.get(f"{server.address}/healthz", headers=headers).status_code == 200
    assert server.stop() == (0, "")


def test_refusals_can_be_read_by_clients_that_are_still_sending(client):
    """Also when it is refused before any of the body is read."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda _: client.post(
                    "/v1/detect",
                    content=bytes(15_000_000),
                    headers={"Origin": "http://evil.example"},
                ),
                range(8),
            )
        )
    assert [answer.status_code for answer in answers] == [403] * 8


def test_a_client_that_asks_before_it_sends_is_not_waited_for(server):
    head = request_head(1000).replace(
        b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\nExpect: 100-continue\r\n\r\n"
    )
    answer, start = b"", time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(head)
        while piece := connection.recv(1000):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 403")
    assert time.monotonic() - start < 2
