"""Framing: a flood of clients that begin and do not end is closed on time, and everybody else is served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import HOST
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp
from tests.olympus_stage import Olympus, olympus_on

FLOOD = 60

PUT = b"PUT /api/user HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"

# What a client sends before it falls silent, and how it is closed: with a 408, or without a word.
BEGUN = {
    "nothing": (b"", None),
    "half a request line": (b"GET /api/st", 408),
    "half a head": (b"GET /api/status HTTP/1.1\r\nHost: a\r\nX: ", 408),
    "half a body": (PUT + b"Content-Length: 99\r\n\r\n{", 408),
    "half a chunk": (PUT + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{", 408),
    "half a handshake": (b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n", 408),
}


@pytest.fixture
async def olympus(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus on SQLite, whose clients have a second for a head, for a body and between requests."""
    settings = {"HTTP_HEADER_TIME": "1s", "HTTP_BODY_TIME": "1s", "HTTP_IDLE_TIME": "1s"}
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings=settings) as running:
        yield running


async def test_a_flood_of_half_open_requests_is_closed_on_time(olympus: Olympus) -> None:
    """Sixty clients that stop in the middle, in six ways: each is told or closed, and a call beside them answers."""

    async def begun(data: bytes, status: int | None) -> bool:
        async with RawHttp.to(HOST, olympus.running.port) as connection:
            await connection.send(data)
            told = None if status is None else (await connection.answer()).status
            return told == status and await connection.rest() == b""

    flood = [
        asyncio.create_task(begun(data, status)) for _ in range(FLOOD // len(BEGUN)) for data, status in BEGUN.values()
    ]
    beside = [await olympus.client().get("/api/status") for _ in range(5)]
    ended = await asyncio.gather(*flood)

    assert {answer.status for answer in beside} == {200}
    assert set(ended) == {True}
