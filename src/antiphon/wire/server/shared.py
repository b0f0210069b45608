"""What all connections of one listener share: how requests are answered, the bounds, the time, and each other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Protocol

from antiphon.wire.faults import WireFault, unavailable
from antiphon.wire.request import Request
from antiphon.wire.response import Respond, Response
from antiphon.wire.server.bounds import Bounds

if TYPE_CHECKING:
    from antiphon.wire.server.flow import Flow

type Refuse = Callable[[WireFault, Request | None], Response]
"""What answers in the place of a call: bytes that are no request, or one that cannot be taken."""

type Report = Callable[[Exception], None]
"""Who is told of a defect."""


class Member(Protocol):
    """One of the connections, as all of them are looked after."""

    flow: Flow
    closing: bool
    """It ends with the answer that is under way, or the next one."""

    def check(self, now: float) -> None:
        """End what has taken too long."""
        ...

    def hush(self) -> None:
        """Take no further request."""
        ...

    def abort(self) -> None:
        """End now."""
        ...


class Shared:
    """One listener's connections, and the time as all of them see it.

    `hushed` says that none of them takes more than the request that is on its way.

    `now` is the loop's clock as of the last sweep, so that a request costs no look at the clock. It may be one sweep
    behind; whoever compares it adds one to be just.
    """

    __slots__ = (
        "_date",
        "_dated_at",
        "_emptied",
        "_timer",
        "addresses",
        "answers",
        "bounds",
        "connections",
        "context",
        "hushed",
        "loop",
        "now",
        "refuse",
        "report",
        "respond",
        "starts",
        "taken",
    )

    def __init__(self, respond: Respond, refuse: Refuse, report: Report, bounds: Bounds) -> None:
        self.respond = respond
        self.refuse = refuse
        self.report = report
        self.bounds = bounds
        self.connections: set[Member] = set()
        self.taken: dict[asyncio.Transport, str] = {}
        self.addresses: dict[str, int] = {}
        self.answers: set[asyncio.Task[None]] = set()
        self._emptied: asyncio.Future[None] | None = None
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        self.hushed = False
        self.starts: dict[int, bytes] = {}
        self._date = b""
        self._dated_at: int = 0
        self._timer: asyncio.TimerHandle | None = None
        self.now = 0.0
        self.sweep()

    def start(self, status: int) -> bytes:
        """The status line and the date of an answer; made once a second for each status, and kept in `starts`."""
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            # A reason is optional, the space before it is not (RFC 9112 §4).
            phrase = ""
        start = self.starts[status] = b"HTTP/1.1 %d %b\r\n%b" % (status, phrase.encode(), self._date)
        return start

    def sweep(self) -> None:
        """Look at every connection, and set the time; then again after `Bounds.sweep_seconds`."""
        self.now = self.loop.time()
        second = int(time())
        if second != self._dated_at:
            self._dated_at = second
            self._date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
            self.starts.clear()
        for connection in list(self.connections):
            self._check(connection)
        for transport in [transport for transport in self.taken if transport.is_closing()]:
            self.leave(self.taken.pop(transport))
        every = self.bounds.sweep_seconds
        # At the beginning of a second, so that the date is never one behind.
        wait = every if every < 1.0 else 1.0 - time() % 1.0 + 0.001
        self._timer = self.loop.call_later(wait, self.sweep)

    def _check(self, connection: Member) -> None:
        try:
            connection.check(self.now)
        except Exception as defect:  # noqa: BLE001  # one connection must not end the watch over all others
            self.report(defect)
            connection.abort()

    def is_late(self, since: float) -> bool:
        """Whether a request that has been awaited since then is too late for a drain."""
        return self.loop.time() - since - self.bounds.sweep_seconds > self.bounds.last_seconds

    def enter(self, address: str) -> bool:
        """Count one more connection of this address; False, uncounted, when it has as many as it may."""
        count = self.addresses.get(address, 0)
        if count >= self.bounds.per_address:
            return False
        self.addresses[address] = count + 1
        return True

    def leave(self, address: str) -> None:
        """Count one less; "" was never counted."""
        if address:
            count = self.addresses[address] - 1
            if count:
                self.addresses[address] = count
            else:
                del self.addresses[address]

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self.connections) + len(self.taken)

    def is_overfull(self, connecting: int) -> bool:
        """Whether there are so many that one more is not even told so; `connecting` are on their way to be some."""
        return len(self) + connecting >= self.bounds.connections + self.bounds.turned_away

    @property
    def full(self) -> bool:
        """Whether there are more connections than may be served."""
        return len(self) > self.bounds.connections

    def turn_away(self, request: Request) -> Response:
        """Answer a request of a connection that is one too many."""
        return self.refuse(
            unavailable("The server has as many connections as it may. Try again soon.", close=True), request
        )

    def told(self, fault: WireFault) -> Response:
        """The answer to bytes that never became a request."""
        return self.refuse(fault, None)

    def forget(self, connection: Member, address: str) -> None:
        """A connection has ended, unless another protocol has its transport."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.leave(address)
            self._tell_emptied()

    def hand_over(self, connection: Member, transport: asyncio.Transport, address: str) -> None:
        """Another protocol has the transport of this connection now; it counts until it closes."""
        self.connections.discard(connection)
        self.taken[transport] = address
        self._tell_emptied()

    def _tell_emptied(self) -> None:
        if not self.connections and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def emptied(self) -> None:
        """Wait until no connection speaks HTTP any longer."""
        if self.connections:
            self._emptied = self.loop.create_future()
            await self._emptied

    def cut_taken(self) -> None:
        """End what other protocols have."""
        for transport, address in self.taken.items():
            transport.abort()
            self.leave(address)
        self.taken.clear()

    def close(self) -> None:
        """Stop sweeping."""
        if self._timer is not None:
            self._timer.cancel()
