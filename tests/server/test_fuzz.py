"""A small part of ``python benchmarks/api.py fuzz``, so that it is run each time."""

import io

import httpx
from benchmarks.api_load import hammer, mutants
from PIL import Image


def test_damaged_pictures_are_never_a_mistake_of_the_server(server):
    before = None
    for first in (0, 250):
        answers = hammer(server.port, mutants(range(first, first + 250)), 6, retry=True)
        statuses = {answer.status for answer in answers}
        assert {200} < statuses <= {200, 400, 413, 415, 422}
        before = before or server.memory()
    assert server.memory() - before < 40e6
    assert server.alive


def test_large_pictures_leave_nothing_behind(server):
    """Of each kind of memory: Pillow's blocks, NumPy's arrays, the annotated copy."""
    out = io.BytesIO()
    Image.new("RGBA", (6000, 4000), (200, 180, 160, 90)).save(out, "PNG", compress_level=1)
    small = mutants(range(40))
    hammer(server.port, small, 4)
    before = server.memory()
    for path in ("/v1/detect", "/v1/detect/annotated"):
        answers = hammer(server.port, [out.getvalue()] * 3, 3, path=path)
        assert [answer.status for answer in answers] == [200] * 3
    hammer(server.port, small, 4)
    assert server.memory() - before < 60e6


def test_schemathesis(limited, monkeypatch, tmp_path):
    """Through its command line, as the benchmark does it, with few examples."""
    monkeypatch.syspath_prepend("benchmarks")
    from benchmarks import api

    server = limited()
    assert api.schemathesis(server.address, examples=6)
    assert server.metric("masklens_requests_total", "status=.5") == 0
    assert server.metric("masklens_requests_total") > 50
    assert httpx.get(f"{server.address}/healthz").status_code == 200
