"""One worker of a crew as its first process sees it: started, ready, asked, told to end, ended."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM
from time import monotonic

from antiphon.stores.child import Child, start_child
from antiphon.transports.cli.channel import LAST_WORD, Ask, Channel, Count, Counted, Ready, Total
from antiphon.transports.cli.place import VARIABLE, Place

COUNT_SECONDS = 1.0
"""How long a worker has to say what it has counted; one that is busy for longer is taken at its last word."""

REAP_SECONDS = 10.0
"""How long a process may take to end after it has closed its channel."""


def same_command() -> list[str]:
    """The command that started this process, for starting it anew."""
    return [sys.executable, *sys.orig_argv[1:]]


class Worker:
    """A process that serves: the same program on the same command line, on the sockets of its place.

    `answers` is asked by the worker for the metrics of the whole crew. `counts` are the last that it told.
    """

    def __init__(
        self,
        number: int,
        of: int,
        descriptors: Sequence[int],
        answers: Callable[[], asyncio.Future[bytes] | asyncio.Task[bytes]],
    ) -> None:
        self.number = number
        self.ready: Ready | None = None
        self.counts = b""
        self.over = asyncio.Event()
        self.started_at = monotonic()
        self._answers = answers
        self._told_to_end = False
        self._channel: Channel | None = None
        self._began = asyncio.Event()
        self._counting: dict[int, asyncio.Event] = {}
        self._last_id = LAST_WORD
        ours, theirs = socket.socketpair()
        with theirs:
            place = Place(number, of, theirs.fileno(), tuple(descriptors))
            self._child: Child = start_child(
                same_command(),
                folder=Path.cwd(),
                output=None,
                keep=[theirs.fileno(), *descriptors],
                environment={**os.environ, VARIABLE: place.to_variable()},
            )
        self._listening = asyncio.create_task(self._listen(ours), name=f"worker {number}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._child.exit_code

    async def served(self) -> bool:
        """Wait until it serves, or has ended without; whether it ever served."""
        await self._began.wait()
        return self.ready is not None

    def end(self) -> None:
        """Let it drain and end. Told twice, it would not finish what it has begun."""
        if not self._told_to_end:
            self._told_to_end = True
            self._child.send(SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._child.send(SIGKILL)

    async def count(self) -> None:
        """Bring `counts` up to date, if it answers."""
        if self._channel is None or self.ready is None:
            return
        self._last_id += 1
        asked = self._last_id
        told = self._counting[asked] = asyncio.Event()
        self._channel.send(Count(asked))
        try:
            async with asyncio.timeout(COUNT_SECONDS):
                await told.wait()
        except TimeoutError:
            pass
        finally:
            self._counting.pop(asked, None)

    async def _listen(self, ours: socket.socket) -> None:
        channel = self._channel = await Channel.over(ours)
        answering: set[asyncio.Task[None]] = set()
        while (message := await channel.receive()) is not None:
            if isinstance(message, Ready):
                self.ready = message
                self._began.set()
            elif isinstance(message, Counted):
                self.counts = message.counts
                if message.id in self._counting:
                    self._counting[message.id].set()
            elif isinstance(message, Ask):
                task = asyncio.create_task(self._answer(channel, message.id))
                answering.add(task)
                task.add_done_callback(answering.discard)
        for told in self._counting.values():
            told.set()
        if not await self._child.ended(within=REAP_SECONDS):
            await self._child.stop(SIGKILL)
        channel.close()
        self._began.set()
        self.over.set()

    async def _answer(self, channel: Channel, asked: int) -> None:
        channel.send(Total(asked, await self._answers()))
