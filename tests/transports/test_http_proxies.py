"""Proxies and hosts: whose word counts, for whom this server answers, and which ids it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from antiphon import SetupError
from tests.transports.serving import Served, serving

TRUSTING = {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8"]}


async def address(served: Served, **headers: str) -> str:
    """The client's address, as an action sees it."""
    return (await served.get("/api/peer", **headers)).json["text"]


async def test_without_a_trusted_proxy_the_peer_is_the_client(served_anyhow: Served) -> None:
    """Whatever the headers say."""
    assert await address(served_anyhow) == "127.0.0.1"
    assert await address(served_anyhow, x_forwarded_for="203.0.113.9") == "127.0.0.1"
    assert await address(served_anyhow, forwarded="for=203.0.113.9") == "127.0.0.1"


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "203.0.113.9"},
        {"x_forwarded_for": "198.51.100.1, 203.0.113.9, 10.0.0.2"},
        {"forwarded": "for=198.51.100.1, for=203.0.113.9;proto=https, for=10.0.0.2"},
        {"x_forwarded_for": "203.0.113.9", "forwarded": "for=203.0.113.9"},
    ],
)
async def test_the_client_is_the_right_most_untrusted_address(tmp_path: Path, headers: dict[str, str]) -> None:
    """What stands left of it is its own invention."""
    async with serving(tmp_path, TRUSTING) as served:
        assert await address(served, **headers) == "203.0.113.9"


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "203.0.113.9", "forwarded": "for=198.51.100.1"},
        {"x_forwarded_proto": "http", "forwarded": "for=203.0.113.9;proto=https"},
        {"x_forwarded_for": "no address"},
        {"x_forwarded_proto": "gopher"},
        {"x_forwarded_host": "not a host"},
        {"forwarded": "for="},
    ],
)
async def test_a_proxy_that_contradicts_itself_is_400(tmp_path: Path, headers: dict[str, str]) -> None:
    """Both kinds that differ, and what cannot be read; with the id and the guards of every answer."""
    async with serving(tmp_path, TRUSTING) as served:
        answer = await served.get("/api/word", **headers)

    assert (answer.status, answer.type) == (400, "MALFORMED")
    assert answer.header("x-request-id") == answer.error["requestId"]
    assert answer.header("x-frame-options") == "DENY"


async def raw_status(served: Served, head: bytes) -> int:
    """The status of a request given byte by byte."""
    async with served.connect() as connection:
        await connection.send(head)
        return (await connection.answer()).status


@pytest.mark.parametrize(
    "host", [b"", b"Host: a\r\nHost: a\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: a,b\r\n", b"Host: a:99999\r\n"]
)
async def test_a_missing_double_or_malformed_host_is_400(served_anyhow: Served, host: bytes) -> None:
    """On every path, also those that answer machines."""
    for path in (b"/api/word", b"/healthz", b"/api/nothing"):
        assert await raw_status(served_anyhow, b"GET " + path + b" HTTP/1.1\r\n" + host + b"\r\n") == 400


async def test_http_1_0_needs_no_host(served: Served) -> None:
    """It is older than the header."""
    assert await raw_status(served, b"GET /api/word HTTP/1.0\r\n\r\n") == 200


async def test_a_host_that_is_not_ours_is_421(tmp_path: Path) -> None:
    """Those of `http.hosts` are ours; without the list every one is."""
    async with serving(tmp_path, {"hosts": ["api.example", "*.shop.example"]}) as served:
        for host, status in (
            ("api.example", 200),
            ("API.example.", 200),
            ("api.example:80", 200),
            ("eu.shop.example", 200),
            ("api.example:8080", 421),
            ("shop.example", 421),
            ("evil.example", 421),
        ):
            assert (await served.get("/api/word", host=host)).status == status


async def test_the_host_that_counts_is_what_the_client_asked_a_trusted_proxy_for(tmp_path: Path) -> None:
    """The proxy's own name for us need not be on the list; the one it forwards must."""
    async with serving(tmp_path, {**TRUSTING, "hosts": ["www.example"]}) as served:
        forwarded = {"host": "127.0.0.1:8080", "x_forwarded_proto": "https"}
        assert (await served.get("/api/word", x_forwarded_host="www.example", **forwarded)).status == 200
        assert (await served.get("/api/word", x_forwarded_host="evil.example", **forwarded)).status == 421
        assert (await served.get("/api/word", **forwarded)).status == 421
        assert (await served.get("/api/word", host="www.example:443", x_forwarded_proto="https")).status == 200
        double = b"GET /api/word HTTP/1.1\r\nHost: a\r\nHost: a\r\nX-Forwarded-Host: www.example\r\n\r\n"
        assert await raw_status(served, double) == 400


async def test_production_refuses_to_start_without_hosts(tmp_path: Path) -> None:
    """And says what is missing."""
    with pytest.raises(SetupError, match=r"http\.hosts .*is empty"):
        async with serving(tmp_path, environment="production", session={"cookie_secure": True}):
            pass


# Ids


@pytest.mark.parametrize("given", ["0123abcd", "x" * 128, "A.b_c-12345"])
async def test_the_id_of_a_trusted_proxy_is_taken(tmp_path: Path, given: str) -> None:
    """It is in the answer, and in the error."""
    async with serving(tmp_path, TRUSTING) as served:
        assert (await served.get("/api/word", x_request_id=given)).header("x-request-id") == given
        assert (await served.get("/api/error/missing", x_request_id=given)).error["requestId"] == given
        assert (await served.get("/api/%zz", x_request_id=given)).error["requestId"] == given


@pytest.mark.parametrize("given", ["short12", "x" * 129, "with space", "new<line>", "ümläut-12345"])
async def test_an_id_that_does_not_fit_is_replaced(tmp_path: Path, given: str) -> None:
    """8 to 128 of letters, digits and three marks."""
    async with serving(tmp_path, TRUSTING) as served:
        assert (await served.get("/api/word", x_request_id=given)).header("x-request-id") != given


async def test_nobody_else_chooses_an_id(served_anyhow: Served) -> None:
    """It leads to log lines, and belongs to us."""
    assert (await served_anyhow.get("/api/word", x_request_id="0123abcd")).header("x-request-id") != "0123abcd"


async def test_a_trace_goes_on(served: Served) -> None:
    """The call is a part of its client's trace, under a span of its own."""
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    told = json.loads((await served.get("/api/trace", traceparent=f"00-{trace}-{span}-01")).body)["text"]

    assert told.startswith(f"00-{trace}-")
    assert span not in told


@pytest.mark.parametrize("sent", ["00-" + "0" * 32 + "-b7ad6b7169203331-01", "nonsense", "ff-" + "a" * 32 + "-b" * 16])
async def test_a_broken_trace_begins_a_new_one(served: Served, sent: str) -> None:
    """Nobody is refused for it."""
    told = json.loads((await served.get("/api/trace", traceparent=sent)).body)["text"]

    assert told.startswith("00-")
    assert told[3:35] not in sent
