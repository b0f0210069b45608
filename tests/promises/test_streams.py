"""A stream arrives item by item: the first is there while the last is not yet made."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from antiphon.testing.app import HOST, TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp
from olympus.app import app
from olympus.streaming.actions import count

LONG = 100
"""A count of ten seconds: nobody takes its first item only because the last was ready too."""


REQUEST = (
    f"GET /api/streaming/counter?to={LONG} HTTP/1.1\r\n".encode()
    + b"Host: localhost\r\nAccept: application/jsonl\r\n\r\n"
)


@pytest.fixture
async def running(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """Olympus on SQLite."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ) as started:
        yield started


async def test_http_sends_each_item_as_it_comes(running: TestApp) -> None:
    """Over HTTP the first line is there long before the stream ends."""
    async with RawHttp.to(HOST, running.port) as connection:
        await connection.send(REQUEST)
        await connection.head()

        received = [await connection.chunk() for _ in range(2)]

    assert [json.loads(chunk)["n"] for chunk in received] == [1, 2]


async def test_a_socket_shows_each_item_as_it_comes(running: TestApp) -> None:
    """Over WebSocket the first items are there long before the stream ends, and a cancel ends it."""
    async with connect(f"ws://{HOST}:{running.port}/ws", proxy=None) as client:
        await client.recv()
        await client.send(json.dumps({"id": 1, "action": "streaming:counter", "params": {"to": LONG}}))

        received = [json.loads(await client.recv()) for _ in range(2)]
        await client.send('{"id":2,"cancel":1}')
        while "item" in (last := json.loads(await client.recv())):
            pass

    assert received == [{"id": 1, "item": {"n": 1}}, {"id": 1, "item": {"n": 2}}]
    assert last == {"id": 2, "result": None}


async def test_a_direct_caller_takes_each_item_as_it_comes(running: TestApp) -> None:
    """In the same process the first item is there before the second is asked for."""
    items = await running.stream(count, to=LONG)

    first = await anext(items)
    await items.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # it is a generator

    assert first.n == 1


async def test_the_command_line_prints_each_item_as_it_comes(running: TestApp, tmp_path: Path) -> None:
    """On the command line the first line is there while the process runs, and an interrupt ends it with 130."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", "from olympus.app import main; main()", "streaming:counter", "--to", str(LONG)),
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(filter(None, sys.path)), **running.environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None

    first = await process.stdout.readline()
    still_runs = process.returncode is None
    process.send_signal(signal.SIGINT)
    rest, said = await process.communicate()

    assert json.loads(first) == {"n": 1}
    assert still_runs
    assert f'{{"n":{LONG}}}'.encode() not in rest
    assert (process.returncode, said) == (130, b"")
