"""What all sockets of one server share: who is here, the sweep over them, and how they are sent away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from ipaddress import ip_address
from math import inf
from random import randrange
from typing import Any

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TooManyCalls, Unavailable
from antiphon.core.results import Download
from antiphon.core.revocation import Revoked
from antiphon.core.runner import Runner
from antiphon.core.runtime import Runtime
from antiphon.core.standing import LOOK_AGAIN_SECONDS, LOOKS_AT_ONCE, Standing, find_standing
from antiphon.core.traits import answers_on
from antiphon.services.channels.channels import Channels
from antiphon.services.limits.who import address_of
from antiphon.stores.base import Store
from antiphon.transports.websocket import errors
from antiphon.transports.websocket.calls import unreachable
from antiphon.transports.websocket.client import SocketClient
from antiphon.transports.websocket.metrics import shown_code
from antiphon.transports.websocket.seats import HOLD_EVERY_SECONDS, Seats
from antiphon.transports.websocket.settings import WebsocketSettings

SWEEP_SECONDS = 1.0

CHECKED_AT_ONCE = 500
"""Sockets that a sweep looks at before everything else has its turn again."""
USERS_AT_ONCE = 100
"""Users whose seats are held in one trip to the store."""

CLOSING_SECONDS = 1.0
"""How long clients have to take the last frame of a drain."""

UNDO_SECONDS = 5.0
"""What cancelled calls have to roll back and to end, before what they lean on is closed."""


class Desk:
    """The sockets of one process."""

    def __init__(self, runtime: Runtime, settings: WebsocketSettings) -> None:
        self.runtime = runtime
        self.settings = settings
        self.channels = runtime.find(Channels)
        self.clients: set[SocketClient] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.draining = False
        self.closes: Counter[int] = Counter()
        self.dropped = 0
        self.now = runtime.clock.monotonic
        self._runners: dict[str, Runner] = {}
        self.seats = Seats(runtime.find(Store), settings.per_user)
        self._hold_at = 0.0
        self._by_user: dict[str, set[SocketClient]] = {}
        self._by_session: dict[str, set[SocketClient]] = {}
        self._by_address: dict[str, int] = {}
        self._looking = asyncio.Semaphore(LOOKS_AT_ONCE)
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
        runner = self._runners.get(name)
        if runner is None:
            action = self.runtime.actions.get(name)
            if action is None or not is_reachable(action):
                raise unreachable(name)
            runner = self._runners[name] = self.runtime.runner(name)
        return runner

    def context(self, name: str, connection: Connection) -> Context:
        """A context for what is asked of a socket beside calls."""
        return Context(self.runtime, name, connection, "", self.now() + self.runtime.call_seconds, safe=False)

    # Who is here

    async def admit(self, caller: Caller, connection: Connection, *, counted: bool) -> None:
        """Raise TooManyCalls when this user, or this address, has as many sockets as it may; Unavailable in a drain."""
        if self.draining:
            raise Unavailable("The server is about to go away. Try again soon.", retry_after=1.0)
        if caller.kind == "user":
            here = len(self._by_user.get(caller.id, ()))
            if here >= self.settings.per_user or not await self.seats.take(caller.id, connection.id):
                raise TooManyCalls(_TOO_MANY, retry_after=5.0)
        elif counted and self._by_address.get(address_of(connection), 0) >= self.settings.per_address:
            raise TooManyCalls("This address has as many sockets open as it may.", retry_after=5.0)

    def enter(self, client: SocketClient) -> None:
        """A socket has opened."""
        self.clients.add(client)
        self._count(client, 1)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._tick)
        if self.draining:
            client.end(errors.RESTART, "The server goes away.")
        else:
            self._end_if_over(client)

    def leave(self, client: SocketClient, code: int) -> None:
        """A socket has closed with this code."""
        if client in self.clients:
            self.clients.discard(client)
            self._count(client, -1)
            self._give_back(client.caller, client)
            self.closes[shown_code(code)] += 1
        if client.watches and self.channels is not None:
            # Whoever has closed in good order, or may not stay, is gone at once; everybody else may come back.
            self.channels.drop(client, at_once=code in (errors.SIGNED_OUT, errors.ENDED))
        if self._emptied is not None and not self.clients:
            self._emptied.set()

    def _count(self, client: SocketClient, by: int) -> None:
        caller, sid = client.standing.caller, client.standing.sid
        if sid:
            _index(self._by_session, sid, client, by)
        if caller.kind == "user":
            _index(self._by_user, caller.id, client, by)
        else:
            address = address_of(client.connection)
            self._by_address[address] = self._by_address.get(address, 0) + by
            if not self._by_address[address]:
                del self._by_address[address]

    def _end_if_over(self, client: SocketClient) -> None:
        """Those that were admitted side by side, and those that signed in later, are counted here."""
        caller = client.caller
        if caller.kind == "user" and len(self._by_user[caller.id]) > self.settings.per_user:
            client.end(errors.TOO_MANY, _TOO_MANY)

    def _begin(self, step: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(step)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _give_back(self, caller: Caller, client: SocketClient) -> None:
        if caller.kind == "user":
            self._begin(self.seats.leave(caller.id, client.connection.id))

    async def _seat(self, client: SocketClient) -> None:
        """Somebody has signed in on an open socket, which may be one too many on all nodes together."""
        caller = client.caller
        if not await self.seats.take(caller.id, client.connection.id):
            client.end(errors.TOO_MANY, _TOO_MANY)
        elif client.caller.id != caller.id or client not in self.clients:
            await self.seats.leave(caller.id, client.connection.id)

    async def _hold_seats(self) -> None:
        users = [*self._by_user]
        for at in range(0, len(users), USERS_AT_ONCE):
            ids = {
                user: [client.connection.id for client in self._by_user.get(user, ())]
                for user in users[at : at + USERS_AT_ONCE]
            }
            await asyncio.gather(*(self.seats.hold(user, held) for user, held in ids.items() if held))

    # Who they are

    def stand(self, client: SocketClient, standing: Standing) -> None:
        """Somebody has signed in on a socket, or out, or was looked at."""
        if client not in self.clients:
            return
        before = client.caller
        same = standing.caller == before
        self._count(client, -1)
        client.standing = standing
        self._count(client, 1)
        if same:
            return
        if before.id != standing.caller.id:
            self._give_back(before, client)
            if standing.caller.kind == "user":
                self._begin(self._seat(client))
        self._end_if_over(client)
        if self.channels is not None and client.watches:
            self.channels.ask_watcher(client)

    def revoked(self, revoked: Revoked) -> None:
        """Close the sockets of a session or a user that has ended, and look again at those with other rights."""
        what, name = revoked.what, revoked.id
        if what == "user":
            for client in [*self._by_user.get(name, ())]:
                client.end(errors.ENDED, "Signed out.")
        elif what in ("session", "moved"):
            for client in [*self._by_session.get(name, ())]:
                # Whoever does it itself is answered first, and then follows (client.py).
                if not client.changes_session:
                    client.end(*_ENDS[what])
        elif what == "rights":
            for client in [*self._by_user.get(name, ())]:
                # At once, and not with the next sweep: doors that were asked before know the old rights.
                self.look(client)
        elif what == "unknown":
            for client in self.clients:
                if client.caller.signed_in:
                    client.standing = client.standing._replace(look_at=self.now())

    def look(self, client: SocketClient) -> None:
        """Find out, beside, whether somebody is still who they were."""
        standing = client.standing = client.standing._replace(look_at=inf)
        self._begin(self._look(client, standing))

    async def _look(self, client: SocketClient, before: Standing) -> None:
        async with self._looking:
            if not client.socket.is_open:
                return
            connection = client.connection.asked_by_server()
            try:
                found = await find_standing(self.context("socket:look", connection))
            except (CallError, Defect) as error:
                if not isinstance(error, Unavailable):
                    # Whoever is away is told of once, and not for each socket.
                    self.runtime.log.warning("websocket.not_looked", error=error)
                found = before._replace(look_at=self.now() + LOOK_AGAIN_SECONDS)
        if client.standing is not before:
            # Somebody has signed in or out on it meanwhile, or it has to be looked at once more.
            return
        self.stand(client, found)
        if before.caller.signed_in and not found.caller.signed_in:
            client.end(errors.ENDED, "The session has ended.")

    # Times

    def sweep(self) -> None:
        """End what has taken too long."""
        self._check([*self.clients])

    def _check(self, clients: Sequence[SocketClient]) -> None:
        now = self.now()
        for client in clients:
            client.check(now)

    def _tick(self) -> None:
        if self.now() >= self._hold_at:
            self._hold_at = self.now() + HOLD_EVERY_SECONDS
            self._begin(self._hold_seats())
        self._check_some([*self.clients], 0)

    def _check_some(self, clients: list[SocketClient], begin: int) -> None:
        """Check some of the sockets, then give others their turn: ten thousand at once would hold up every call."""
        self._timer = None
        end = begin + CHECKED_AT_ONCE
        try:
            self._check(clients[begin:end])
        finally:
            if self._timer is None and end < len(clients):
                self._timer = self.loop.call_later(0, self._check_some, clients, end)
            elif self._timer is None and self.clients:
                self._timer = self.loop.call_later(SWEEP_SECONDS, self._tick)

    # The end

    async def drain(self, within_seconds: float) -> None:
        """Send every client away, one after the other, and wait until they have gone or this long."""
        self.draining = True
        if self.channels is not None:
            self.channels.drain()
        if not self.clients:
            return
        self._emptied = asyncio.Event()
        spread_ms = max(1, int(min(self.settings.drain_time.total_seconds(), within_seconds) * 1000))
        now = self.now()
        for client in [*self.clients]:
            client.send_away(_within(spread_ms), now + _within(spread_ms) / 1000)
        if not await self._gone(within_seconds):
            if self.tasks:
                # HTTP, whose drain is over too, has cancelled the calls; what they still say goes before the close.
                await asyncio.wait(self.tasks, timeout=UNDO_SECONDS)
            for client in [*self.clients]:
                client.end(errors.RESTART, "The server goes away.")
            await self._gone(CLOSING_SECONDS)

    async def _gone(self, seconds: float) -> bool:
        if self._emptied is not None:
            try:
                async with asyncio.timeout(seconds):
                    await self._emptied.wait()
            except TimeoutError:
                return False
        return True

    async def close(self) -> None:
        """End what is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for client in [*self.clients]:
            client.end(errors.RESTART, "The server goes away.")
            client.socket.abort()
        if self.tasks:
            # What they lean on is closed next: they must have ended by then.
            for task in self.tasks:
                task.cancel()
            await asyncio.wait(self.tasks, timeout=UNDO_SECONDS)


_TOO_MANY = "You have as many sockets open as you may."
_ENDS = {
    "session": (errors.ENDED, "Signed out."),
    "moved": (errors.MOVED, "The session has a new id. Come back with it."),
}


def _index(table: dict[str, set[SocketClient]], name: str, client: SocketClient, by: int) -> None:
    found = table.setdefault(name, set())
    if by > 0:
        found.add(client)
    else:
        found.discard(client)
    if not found:
        del table[name]


def _within(milliseconds: int) -> int:
    return randrange(milliseconds)  # noqa: S311  # clients leave and come back at any time; nothing secret hangs on it


def is_reachable(action: AnyAction) -> bool:
    """Whether a socket can carry an action: files go over HTTP and the command line only."""
    files = any(field.file for field in action.schema.fields) or _gives_file(action.result)
    return not files and answers_on(action, "websocket")


def _gives_file(result: Any) -> bool:
    return result is Download or Download in getattr(result, "__args__", ())


def is_counted(address: str) -> bool:
    """Whether sockets of this address are counted: everybody behind one machine's loopback is not one client."""
    try:
        return not ip_address(address).is_loopback
    except ValueError:
        return False
