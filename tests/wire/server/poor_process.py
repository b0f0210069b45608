"""A server with few descriptors, run by `test_descriptors` as a process of its own: the limit is the process's."""

from __future__ import annotations

import asyncio
import resource
import socket
import sys

import uvloop

from antiphon.wire.faults import WireFault
from antiphon.wire.request import Request
from antiphon.wire.response import Response
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.listener import Listener

DESCRIPTORS = 48


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def refuse(fault: WireFault, _: Request | None) -> Response:
    """Tell a client."""
    return Response(fault.status, [])


async def serve() -> None:
    """Serve until standard input ends."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener = Listener(
        lambda request: Response(200, [], request.path),
        refuse=refuse,
        report=lambda defect: say(f"defect {defect!r}"),
        exhausted=lambda error: say(f"exhausted {error.errno}"),
        exempt=lambda _: True,
        bounds=Bounds(),
    )
    listener.open([listening])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    say(f"port {listening.getsockname()[1]}")
    await ended.wait()
    await listener.finish(0)
    say("finished")


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
