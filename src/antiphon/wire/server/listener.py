"""Listens on sockets and answers what comes through `respond`, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address

from antiphon.wire.response import Respond
from antiphon.wire.server.accepting import Acceptor, Address, household, peer_of
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.connection import Connection
from antiphon.wire.server.shared import Member, Refuse, Report, Shared

HANDSHAKE_SECONDS = 10.0
"""How long a TLS handshake may take."""

CANCEL_SECONDS = 2.0
"""How long what still runs for a connection has to clean up once the connection is gone."""


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False


class Listener:
    """The listening sockets of one server and the connections that came through them.

    `respond` answers requests; `refuse` gives the answer to bytes that are no request, and to requests of a connection
    that is one too many. `report` is told of defects, `exhausted` when there are no descriptors left to accept
    with. Connections from addresses for which `exempt` or `is_local` is true are not counted by address.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        refuse: Refuse,
        report: Report,
        exhausted: Callable[[OSError], None],
        exempt: Callable[[str], bool],
        bounds: Bounds,
        is_local: Callable[[str], bool] = is_loopback,
    ) -> None:
        self._shared = Shared(respond, refuse, report, bounds)
        self._exhausted = exhausted
        self._exempt = exempt
        self._is_local = is_local
        self._tls: ssl.SSLContext | None = None
        self._acceptors: list[Acceptor] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def open(self, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        """Serve on sockets that listen already; they are closed by `close`."""
        self._tls = tls
        self._acceptors = [Acceptor(each, self._accepted, self._exhausted) for each in sockets]

    def __len__(self) -> int:
        """How many connections are open."""
        return len(self._shared)

    @property
    def connections(self) -> Collection[Member]:
        """Those that speak HTTP."""
        return self._shared.connections

    def _accepted(self, connected: socket.socket, address: Address) -> None:
        peer = peer_of(address)
        counted = "" if not peer or self._is_local(peer) or self._exempt(peer) else household(peer)
        shared = self._shared
        # Counted by address last: what is turned away here is never counted off again.
        if shared.is_overfull(len(self._connecting)) or (counted and not shared.enter(counted)):
            connected.close()
            return
        connecting = shared.loop.create_task(self._connect(connected, peer, counted))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, connected: socket.socket, peer: str, counted: str) -> None:
        shared, tls = self._shared, self._tls
        connection = Connection(shared, peer, counted, "http" if tls is None else "https")
        try:
            if connected.family != socket.AF_UNIX:
                # A small answer must not wait for the client's word that the one before it has come.
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await shared.loop.connect_accepted_socket(
                lambda: connection,
                connected,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            # Whoever cannot finish a handshake is nobody we could tell. One that was made counts itself off.
            connected.close()
            if not hasattr(connection, "flow"):
                shared.leave(counted)

    def close(self) -> None:
        """Accept nothing more; open connections go on."""
        for acceptor in self._acceptors:
            acceptor.close()

    def hush(self) -> None:
        """Take no further request: idle connections end at once, the others after their answer.

        Who has just connected has asked already, as far as they know, and is answered.
        """
        self._shared.hushed = True
        for connection in list(self._shared.connections):
            connection.hush()

    async def finish(self, seconds: float) -> None:
        """End every connection: idle ones at once, the others after their answer or after this long."""
        self.close()
        self.hush()
        shared = self._shared
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if self._connecting:
                    await asyncio.wait(self._connecting)
                await shared.emptied()
        for connection in list(shared.connections):
            connection.abort()
        shared.cut_taken()
        if self._connecting:
            for connecting in self._connecting:
                connecting.cancel()
            await asyncio.wait(self._connecting)
        await self._end_answers()
        shared.close()

    async def _end_answers(self) -> None:
        """What still runs was told that its client is gone. What it leans on is closed after this."""
        answers = list(self._shared.answers)
        if not answers:
            return
        _, late = await asyncio.wait(answers, timeout=CANCEL_SECONDS)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
