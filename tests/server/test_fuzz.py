"""A small part of ``python benchmarks/api.py fuzz``, so that it is run each time."""

import httpx
from benchmarks.api_load import hammer, mutants


def test_damaged_pictures_are_never_a_mistake_of_the_server(server):
    before = None
    for first in (0, 250):
        answers = hammer(server.port, mutants(range(first, first + 250)), 6, retry=True)
        statuses = {answer.status for answer in answers}
        assert {200} < statuses <= {200, 400, 413, 415, 422}
        before = before or server.memory()
    assert server.memory() - before < 40e6
    assert server.alive


def test_schemathesis(limited, monkeypatch, tmp_path):
    """Through its command line, as the benchmark does it, with few examples."""
    monkeypatch.syspath_prepend("benchmarks")
    from benchmarks import api

    server = limited()
    assert api.schemathesis(server.address, examples=6)
    assert server.metric("masklens_requests_total", "status=.5") == 0
    assert server.metric("masklens_requests_total") > 50
    assert httpx.get(f"{server.address}/healthz").status_code == 200
