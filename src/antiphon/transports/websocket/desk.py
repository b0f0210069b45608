"""What all sockets of one server share: who is here, the sweep over them, and how they are sent away."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from random import randrange
from typing import Any

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import TooManyCalls, Unavailable
from antiphon.core.results import Download
from antiphon.core.revocation import Revoked
from antiphon.core.runner import Runner
from antiphon.core.runtime import Runtime
from antiphon.services.channels.channels import Channels
from antiphon.transports.websocket import errors
from antiphon.transports.websocket.calls import unreachable
from antiphon.transports.websocket.client import SocketClient
from antiphon.transports.websocket.settings import WebsocketSettings

SWEEP_SECONDS = 1.0


class Desk:
    """The sockets of one process."""

    def __init__(self, runtime: Runtime, settings: WebsocketSettings) -> None:
        self.runtime = runtime
        self.settings = settings
        self.channels = runtime.find(Channels)
        self.clients: set[SocketClient] = set()
        self.draining = False
        self.slow = 0
        self.now = runtime.clock.monotonic
        self._by_user: dict[str, set[SocketClient]] = {}
        self._by_address: dict[str, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that all sockets are on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    # Calls

    def runner(self, name: str) -> Runner:
        """The runner of an action that sockets can reach. Raises NotFound."""
        action = self.runtime.actions.get(name)
        if action is None or not is_reachable(action):
            raise unreachable(name)
        return self.runtime.runner(name)

    def context(self, name: str, connection: Connection, *, seconds: float | None = None) -> Context:
        """A context for one frame."""
        runtime = self.runtime
        deadline = runtime.clock.monotonic() + (runtime.call_seconds if seconds is None else seconds)
        return Context(runtime, name, connection, request_id=runtime.ids.uuid7(), deadline=deadline)

    # Who is here

    def admit(self, caller: Caller, address: str, *, counted: bool) -> None:
        """Raise TooManyCalls when this user, or this address, has as many sockets as it may; Unavailable in a drain."""
        if self.draining:
            raise Unavailable("The server is about to go away. Try again soon.", retry_after=1.0)
        if caller.kind == "user":
            if len(self._by_user.get(caller.id, ())) >= self.settings.per_user:
                raise TooManyCalls("You have as many sockets open as you may.", retry_after=5.0)
        elif counted and self._by_address.get(address, 0) >= self.settings.per_address:
            raise TooManyCalls("This address has as many sockets open as it may.", retry_after=5.0)

    def enter(self, client: SocketClient) -> None:
        """A socket has opened."""
        self.clients.add(client)
        self._count(client, 1)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def leave(self, client: SocketClient, *, at_once: bool) -> None:
        """A socket has closed."""
        if client in self.clients:
            self.clients.discard(client)
            self._count(client, -1)
        if client.watches and self.channels is not None:
            self.channels.drop(client, at_once=at_once)
        if self._emptied is not None and not self.clients:
            self._emptied.set()

    def _count(self, client: SocketClient, by: int) -> None:
        caller = client.caller
        if caller.kind == "user":
            own = self._by_user.setdefault(caller.id, set())
            if by > 0:
                own.add(client)
            else:
                own.discard(client)
            if not own:
                del self._by_user[caller.id]
        else:
            address = client.connection.identifier
            self._by_address[address] = self._by_address.get(address, 0) + by
            if not self._by_address[address]:
                del self._by_address[address]

    def signed_in(self, client: SocketClient, caller: Caller) -> None:
        """Somebody has signed in on a socket, or out."""
        if client not in self.clients:
            return
        self._count(client, -1)
        client.caller = caller
        self._count(client, 1)
        if self.channels is not None and client.watches:
            self.channels.ask_watcher(client)

    def revoked(self, revoked: Revoked) -> None:
        """Close the sockets of a session or a user that has ended."""
        if revoked.what == "user":
            for client in list(self._by_user.get(revoked.id, ())):
                client.end(errors.ENDED, "Signed out.")

    def count_slow(self) -> None:
        """One more client was too slow."""
        self.slow += 1

    # Times

    def _sweep(self) -> None:
        now = self.now()
        for client in list(self.clients):
            client.check(now)
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep) if self.clients else None

    # The end

    async def drain(self, within_seconds: float) -> None:
        """Send every client away, one after the other, and wait until they have gone or this long."""
        self.draining = True
        if self.channels is not None:
            self.channels.drain()
        if not self.clients:
            return
        self._emptied = asyncio.Event()
        spread_ms = max(1, int(self.settings.drain_time.total_seconds() * 1000))
        now = self.now()
        for client in list(self.clients):
            client.send_away(_within(spread_ms), now + _within(spread_ms) / 1000)
        try:
            async with asyncio.timeout(within_seconds):
                await self._emptied.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """End what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for client in list(self.clients):
            client.socket.abort()


def _within(milliseconds: int) -> int:
    # So that clients neither leave nor come back all at once; nothing secret hangs on it.
    return randrange(milliseconds)  # noqa: S311


def is_reachable(action: AnyAction) -> bool:
    """Whether a socket can carry an action: files go over HTTP and the command line only."""
    return not any(field.file for field in action.schema.fields) and not _gives_file(action.result)


def _gives_file(result: Any) -> bool:
    return result is Download or Download in getattr(result, "__args__", ())


def is_counted(address: str) -> bool:
    """Whether sockets of this address are counted: everybody behind one machine's loopback is not one client."""
    try:
        return not ip_address(address).is_loopback
    except ValueError:
        return False
