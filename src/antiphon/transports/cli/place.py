"""A worker's side of a crew: its place, read from the environment, and what it tells the first process."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import MutableMapping

import msgspec

from antiphon.core.errors import Unavailable
from antiphon.core.member import Member
from antiphon.transports.cli.channel import LAST_WORD, Ask, Channel, Count, Counted, Ready, Total

VARIABLE = "ANTIPHON_PLACE"
"""Where a worker finds its place. Taken out when it is read, so that no process that it starts believes to be one."""

ASK_SECONDS = 3.0
"""How long whoever is scraped waits for the whole crew."""


class Place(msgspec.Struct, frozen=True):
    """A place in a crew: its number, out of how many, the descriptors of its channel and of its sockets."""

    number: int
    of: int
    channel: int
    descriptors: tuple[int, ...]

    @classmethod
    def take(cls, environ: MutableMapping[str, str] = os.environ) -> Place | None:
        """The place of this process; None when no crew has started it."""
        text = environ.pop(VARIABLE, None)
        return None if text is None else msgspec.json.decode(text, type=cls)

    def to_variable(self) -> str:
        """The value for the environment of a worker."""
        return msgspec.json.encode(self).decode()


class Membership:
    """Belonging to a crew: `member` is what the application is given."""

    def __init__(self, place: Place) -> None:
        self.member = Member(place.number, place.of, place.descriptors, self._total)
        self._end = socket.socket(fileno=place.channel)
        self._end.set_inheritable(False)
        self._channel: Channel | None = None
        self._listening: asyncio.Task[None] | None = None
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._last_id = LAST_WORD

    async def begin(self) -> None:
        """Hear what the first process asks. That it is gone is told by a signal (see stores/leash.py), not by this."""
        self._channel = await Channel.over(self._end)
        self._listening = asyncio.create_task(self._listen(self._channel), name="crew")

    def serves(self, greeting: list[str], roots: list[str]) -> None:
        """Tell that calls are taken."""
        if self._channel is not None:
            self._channel.send(Ready(greeting, roots))

    async def end(self) -> None:
        """Say the last word: what was counted until the end."""
        if self._channel is not None:
            self._channel.send(Counted(LAST_WORD, self.member.count()))
            await self._channel.flush()
        if self._listening is not None:
            await asyncio.wait((self._listening,))

    async def _listen(self, channel: Channel) -> None:
        while (message := await channel.receive()) is not None:
            if isinstance(message, Count):
                channel.send(Counted(message.id, self.member.count()))
            elif isinstance(message, Total):
                waiting = self._asked.pop(message.id, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.text)

    async def _total(self) -> bytes:
        assert self._channel is not None  # noqa: S101  # the application starts after `begin`
        self._last_id = asked = self._last_id + 1
        answer = self._asked[asked] = asyncio.get_running_loop().create_future()
        self._channel.send(Ask(asked))
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await answer
        except TimeoutError:
            raise Unavailable("The metrics of the other processes cannot be had now.", retry_after=1.0) from None
        finally:
            self._asked.pop(asked, None)
