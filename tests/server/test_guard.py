import asyncio
from dataclasses import replace

import httpx
import pytest
from benchmarks.api_load import Server
from click.testing import CliRunner
from starlette.responses import Response

from masklens.cli import main
from masklens.errors import ServeError
from masklens.server.guard import Guard
from masklens.server.settings import Limits, Settings, token_of
from tests.server.conftest import error_of

TOKEN = "s3cret-token"


@pytest.fixture(scope="module")
def guarded():
    arguments = ("--host", "0.0.0.0")
    with Server(*arguments, environment={"MASKLENS_TOKEN": TOKEN}) as server:
        yield httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30)


def test_other_machines_need_a_token_to_be_let_in():
    with pytest.raises(RuntimeError, match=r"0\.0\.0\.0 can be reached .* Set MASKLENS_TOKEN"):
        Server("--host", "0.0.0.0", environment={"MASKLENS_TOKEN": " "})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_needs_none(host):
    assert Settings(host=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org"])
def test_what_is_not_loopback(host):
    with pytest.raises(ServeError, match="MASKLENS_TOKEN"):
        Settings(host=host)


def test_an_empty_host_is_none():
    for token in (None, "abc"):
        with pytest.raises(ServeError, match="The host is empty"):
            Settings(host="", token=token)


def test_tokens():
    assert token_of({"MASKLENS_TOKEN": ""}) is None
    assert token_of({"MASKLENS_TOKEN": " a\n"}) == "a"
    with pytest.raises(ServeError, match="letters, digits"):
        Settings(token="two words")
    assert "abc" not in repr(Settings(token="abc", limits=Limits()))


@pytest.mark.parametrize(
    "path", ["/v1/model", "/v1/detect", "/v1/detect/annotated", "/metrics", "/v1/other"]
)
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "é"]
)
def test_without_the_token_nothing_is_answered(guarded, path, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    method = "POST" if "detect" in path else "GET"
    answer = guarded.request(method, path, headers=headers, content=b"x")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in error_of(answer)["message"]


def test_with_the_token(guarded, portrait_file):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/v1/model", headers=headers).status_code == 200
    assert guarded.get("/metrics", headers=headers).status_code == 200
    content = portrait_file.read_bytes()
    assert guarded.post("/v1/detect", content=content, headers=headers).status_code == 200


def test_what_needs_no_token(guarded):
    for path in ("/healthz", "/docs", "/openapi.json", "/model/card.json"):
        assert guarded.get(path).status_code == 200
    schemes = guarded.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["HTTPBearer"]["scheme"] == "bearer"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.x"])
def test_names_that_are_not_ours(client, host):
    """DNS rebinding: a name of somebody else's that leads to this machine."""
    for path in ("/", "/v1/model", "/healthz"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 421
        assert error_of(answer)["code"] == "unknown_host"


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1", "[::1]:8000"])
def test_names_that_are_ours(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1:8000/healthz", "127.0.0.1", 200),
        ("HTTP://localhost/healthz?x=1", "evil.example", 200),  # the Host header does not count
        ("http://localhost/health%7A", "localhost", 200),
        ("http://evil.example/healthz", "127.0.0.1", 421),
        ("http:///healthz", "127.0.0.1", 421),
        ("http:healthz", "127.0.0.1", 421),
        ("http://[/healthz", "127.0.0.1", 404),
        ("ftp://localhost/healthz", "localhost", 404),
    ],
)
def test_a_whole_address_as_the_target(client, target, host, status):
    """RFC 9112, section 3.2.2: servers accept what clients send to proxies."""
    request = client.build_request(
        "GET", "/", headers={"Host": host}, extensions={"target": target.encode()}
    )
    answer = client.send(request)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"status": "ok"}


def test_a_whole_address_without_a_path_is_the_page(client):
    request = client.build_request("GET", "/x", extensions={"target": b"http://localhost"})
    assert client.send(request).text == client.get("/").text


def test_a_whole_address_goes_round_no_token(guarded):
    target = f"http://127.0.0.1:{guarded.base_url.port}/v1/model"
    request = guarded.build_request("GET", "/", extensions={"target": target.encode()})
    assert guarded.send(request).status_code == 401


def test_names_that_were_allowed():
    names = ("masks.example", "Proxy.Example:8443", "[2001:DB8::1]", "2001:db8::2")
    with Server(*(part for name in names for part in ("--allow-host", name))) as server:
        for host, status in (
            ("masks.example", 200),
            ("Masks.Example:443", 200),
            ("proxy.example:8443", 200),
            ("proxy.example", 200),
            ("[2001:db8::1]:8000", 200),
            ("[2001:db8::2]", 200),
            ("x.example", 421),
        ):
            answer = httpx.get(f"{server.address}/healthz", headers={"Host": host})
            assert answer.status_code == status


def ask(settings, path="/", **headers):
    """The status of what stands behind the guard, 204, or the guard's own."""

    async def get():
        transport = httpx.ASGITransport(Guard(Response(status_code=204), settings))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(
                path, headers={k.replace("_", "-"): headers[k] for k in headers}
            )

    return asyncio.run(get()).status_code


@pytest.mark.parametrize(
    ("host", "status", "without"),
    [
        ("masks.example", 204, 204),
        ("192.168.1.2:8000", 204, 204),  # its own
        ("localhost", 204, 204),
        ("evil.example", 421, 204),
    ],
)
def test_names_of_a_server_that_others_can_reach_count_once_some_are_allowed(host, status, without):
    settings = Settings(host="192.168.1.2", token=TOKEN, hosts=("masks.example",))
    assert ask(settings, host=host) == status
    assert ask(replace(settings, hosts=()), host=host) == without


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_the_scheme_is_written_as_one_likes(scheme):
    assert ask(Settings(token=TOKEN), "/v1/model", authorization=f"{scheme}{TOKEN}") == 204


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_may_link_to_the_page(site):
    assert ask(Settings(), "/", sec_fetch_site=site) == 204
    assert ask(Settings(), "/v1/model", sec_fetch_site=site) == 403


@pytest.mark.parametrize(
    "name", ["https://masks.example", "masks.example/x", "*", ":8000", "x::y", ""]
)
def test_what_cannot_be_allowed(name):
    done = CliRunner().invoke(main, ["serve", "--bundle", "nowhere", "--allow-host", name])
    assert done.exit_code == 2
    assert f'"{name}" is no host name. Give it alone, as in masks.example.' in done.stderr


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_not_answered(client, portrait_file, headers):
    content = portrait_file.read_bytes()
    answer = client.post("/v1/detect", content=content, headers=headers)
    assert answer.status_code == 403
    assert error_of(answer)["code"] == "foreign_origin"
    assert "access-control-allow-origin" not in answer.headers


def test_its_own_page_is(server, client, portrait_file):
    headers = {"Origin": server.address, "Sec-Fetch-Site": "same-origin"}
    content = portrait_file.read_bytes()
    assert client.post("/v1/detect", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/model", "/nothing", "/v1/detect", "/model/x"])
def test_every_answer_carries_the_security_headers(client, path):
    headers = client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe-inline" not in str(policy)
    assert "http" not in str(policy)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["permissions-policy"].startswith("camera=(self)")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
