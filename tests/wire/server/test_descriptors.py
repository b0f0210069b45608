"""A process that has no descriptors left: it accepts later, serves on meanwhile, and says so once."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from antiphon.testing.raw import RawHttp
from tests.wire.server.poor_process import DESCRIPTORS


async def test_without_descriptors_it_serves_on_and_accepts_later() -> None:
    """Those that are connected are answered, the others wait in the system's queue; one line says what is wrong."""
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.wire.server.poor_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert server.stdin is not None
    assert server.stdout is not None
    port = int((await server.stdout.readline()).split()[1])
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(RawHttp.to("127.0.0.1", port)) for _ in range(DESCRIPTORS + 20)]
        told = await server.stdout.readline()
        first = [(await clients[0].get(f"/{number}")).body for number in range(20)]
        waiting = asyncio.create_task(clients[-1].get("/waiting"))
        for client in clients[: DESCRIPTORS + 10]:
            await client.close()
        waited = (await waiting).body
        server.stdin.close()
        rest = await server.stdout.read()
    code = await server.wait()

    assert told.split()[0] == b"exhausted"
    assert first == [b"/%d" % number for number in range(20)]
    assert waited == b"/waiting"
    assert (rest, code) == (b"finished\n", 0)
