"""The relay between nodes: one listening connection to the store per process, which whoever wants to hear shares."""

# Plain pub/sub, on a single server and on a Cluster. Sharded pub/sub would need a listening connection to every shard
# and would have to follow slots as they move; a plain message reaches each node of a Cluster over its own bus, so one
# connection to any of them hears everything, and messages that one primary sends (a topic's scripts all run there)
# arrive in their order. The price is that each message passes every node of the Cluster once.
#
#     state       what happens                                             becomes
#     idle        nobody listens yet; no connection                        connecting, at the first `listen`
#     connecting  connect, subscribe to every name                         hearing; or waiting, when it fails
#     hearing     messages are handed on; a message to itself every 5 s    waiting, when cut or two of them are missing
#     waiting     0.1 s doubling to 5 s, with jitter                       connecting
#
# Pub/sub forgets whom it cannot reach. So after every break each listener is told once that it may have missed
# something (`missed`), after the server has confirmed its name again: what happens from then on is heard.
#
# A connection that was cut by the network looks open for minutes. The message to itself goes through the store like
# every other one, so hearing it proves the whole way; until it is heard again after a loss the node is not ready.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from math import inf
from random import getrandbits
from typing import Annotated, Any, ClassVar, Protocol, cast

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from antiphon.core.clock import Clock, Ids
from antiphon.core.errors import Unavailable
from antiphon.core.health import Health
from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.core.settings import Settings, doc
from antiphon.stores.base import Store

_NAMES_AT_ONCE = 500
_MOST_MISSING = 2


class RelaySettings(Settings, frozen=True):
    """How the process keeps listening to the store."""

    section: ClassVar[str] = "relay"

    ping_time: Annotated[
        timedelta, doc("How often the process sends itself a message, to know that it hears; two missing are a loss.")
    ] = timedelta(seconds=5)
    first_wait: Annotated[timedelta, doc("The wait before the second attempt to connect; it doubles from there.")] = (
        timedelta(milliseconds=100)
    )
    most_wait: Annotated[timedelta, doc("The longest wait between two attempts to connect.")] = timedelta(seconds=5)


class Listener(Protocol):
    """Who hears the messages under a name. Neither method may wait."""

    def heard(self, message: bytes) -> None:
        """A message, in the order in which the store sent them."""
        ...

    def missed(self) -> None:
        """The connection was broken and is there again: messages may be missing."""
        ...


class _Ear:
    """Who listens under one name, and what the server has said about it."""

    __slots__ = ("confirmed", "listeners", "torn")

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.torn = False
        self.confirmed = asyncio.Event()


class Relay:
    """Hears messages from every node, this one included, and says them. Names carry the application's prefix."""

    health_name = "relay"
    health_critical = True

    def __init__(self, store: Store, settings: RelaySettings, clock: Clock, ids: Ids, log: Logger) -> None:
        self.node = ids.uuid7()
        self.deaf = False
        self._store = store
        self._settings = settings
        self._clock = clock
        self._log = log
        self._client = store.connect_node(connections=1, command_time=timedelta(seconds=store.client.command_time))
        self._ears: dict[str, _Ear] = {}
        self._unconfirmed: dict[str, int] = {}
        self._connection: AbstractConnection | None = None
        self._commands: list[tuple[str, str]] = []
        self._command_there = asyncio.Event()
        self._life: list[asyncio.Task[None]] = []
        self._session: asyncio.Task[None] | None = None
        self._missing = 0

    # What its users do

    async def listen(self, name: str, listener: Listener) -> None:
        """Hear this name, from the moment this returns. Raises Unavailable when the store does not confirm in time."""
        self._begin()
        ear = self._ears.get(name)
        if ear is None:
            ear = self._ears[name] = _Ear()
            self._command("SUBSCRIBE", name)
        ear.listeners.append(listener)
        if ear.confirmed.is_set():
            return
        try:
            async with asyncio.timeout(self._store.client.command_time):
                await ear.confirmed.wait()
        except TimeoutError:
            self.leave(name, listener)
            raise Unavailable("The store is away.", retry_after=1.0) from None
        except BaseException:
            self.leave(name, listener)
            raise

    def leave(self, name: str, listener: Listener) -> None:
        """Hear this name no longer. It may be called twice."""
        ear = self._ears.get(name)
        if ear is None or listener not in ear.listeners:
            return
        ear.listeners.remove(listener)
        if not ear.listeners:
            del self._ears[name]
            self._command("UNSUBSCRIBE", name)

    async def say(self, name: str, message: bytes) -> None:
        """Tell everybody who hears this name. Raises Unavailable; the message may have been sent then or not."""
        await self._store.client.execute_command("PUBLISH", name, message)

    async def check_health(self) -> Health:
        """Down while it is deaf, though it should hear."""
        return Health.DOWN if self.deaf else Health.UP

    async def close(self) -> None:
        """Stop listening."""
        life, self._life = self._life, []
        for task in life:
            task.cancel()
        await asyncio.gather(*life, return_exceptions=True)
        await self._client.aclose()

    # The life of the connection

    def _begin(self) -> None:
        if not self._life:
            own = _Ear()
            own.listeners.append(_Echo(self))
            self._ears[self._own_name] = own
            self._life = [asyncio.create_task(self._stay()), asyncio.create_task(self._ping())]

    @property
    def _own_name(self) -> str:
        return self._store.key(f"relay.{self.node}")

    async def _stay(self) -> None:
        first, most = self._settings.first_wait.total_seconds(), self._settings.most_wait.total_seconds()
        wait = first
        while True:
            self._session = asyncio.create_task(self._hear())
            try:
                await asyncio.wait([self._session])
            finally:
                self._session.cancel()
            connected, reason = _outcome(self._session)
            if connected or wait == first:
                self._log.warning("relay.cut", reason=reason)
            wait = first if connected else wait
            # Jitter, so that the nodes do not come back to a store that has just started all at once.
            await self._clock.sleep(wait * (0.5 + getrandbits(16) / 131_072))
            wait = min(most, wait * 2)

    async def _hear(self) -> None:
        pool = self._client.connection_pool
        connection = pool.make_connection()
        writer: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._store.client.command_time):
                await connection.connect()
            self._begin_again()
            self._connection = connection
            writer = asyncio.create_task(self._write(connection))
            while True:
                push = await connection.read_response(  # pyright: ignore[reportUnknownVariableType]  # redis-py leaves it untyped
                    disable_decoding=True, timeout=inf, push_request=True, disconnect_on_error=False
                )
                self._take(cast("list[Any]", push))
        except (RedisError, OSError) as error:
            raise _Cut(str(error) or type(error).__name__, connected=self._connection is not None) from None
        finally:
            self._connection = None
            if writer is not None:
                writer.cancel()
            await connection.disconnect(nowait=True)

    def _begin_again(self) -> None:
        """A fresh connection has heard nothing and been asked nothing: everything is said anew."""
        self._commands.clear()
        self._unconfirmed.clear()
        # It has its own chance to be heard, however much was missing on the one before.
        self._missing = 0
        for name, ear in self._ears.items():
            ear.torn = ear.torn or ear.confirmed.is_set()
            ear.confirmed.clear()
            self._command("SUBSCRIBE", name)

    def _command(self, command: str, name: str) -> None:
        self._commands.append((command, name))
        self._command_there.set()
        if command == "SUBSCRIBE":
            self._unconfirmed[name] = self._unconfirmed.get(name, 0) + 1

    async def _write(self, connection: AbstractConnection) -> None:
        while True:
            await self._command_there.wait()
            self._command_there.clear()
            commands, self._commands = self._commands, []
            for command, names in _batches(commands):
                try:
                    await connection.send_command(command, *names, check_health=False)
                except (RedisError, OSError) as error:
                    self._rebuild(str(error))
                    return

    def _take(self, push: list[Any]) -> None:
        kind, name = push[0], push[1].decode()
        ear = self._ears.get(name)
        if kind == b"message":
            for listener in list(ear.listeners) if ear is not None else ():
                self._tell(listener, push[2])
        elif kind == b"subscribe":
            # A name that was left and taken again has older answers on their way.
            left = self._unconfirmed.pop(name, 1) - 1
            if left > 0:
                self._unconfirmed[name] = left
            elif ear is not None:
                ear.confirmed.set()
                torn, ear.torn = ear.torn, False
                for listener in list(ear.listeners) if torn else ():
                    self._tell(listener, None)

    def _tell(self, listener: Listener, message: bytes | None) -> None:
        try:
            if message is None:
                listener.missed()
            else:
                listener.heard(message)
        except Exception as error:  # noqa: BLE001  # one listener must not make the others deaf
            self._log.error("relay.listener_failed", error=error)

    # Hearing itself

    async def _ping(self) -> None:
        while True:
            await self._clock.sleep(self._settings.ping_time.total_seconds())
            if self._missing >= _MOST_MISSING:
                self.deaf = True
                self._missing = 0
                self._rebuild("it does not hear itself")
            self._missing += 1
            try:
                await self.say(self._own_name, b"")
            except (Unavailable, RedisError):
                continue

    def echo(self) -> None:
        """It has heard itself."""
        self._missing = 0
        if self.deaf:
            self.deaf = False
            self._log.info("relay.hears")

    def _rebuild(self, reason: str) -> None:
        if self._session is not None and self._connection is not None:
            self._connection = None
            self._session.cancel(reason)


class _Echo:
    """Hears what the node says to itself."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def heard(self, message: bytes) -> None:
        self._relay.echo()

    def missed(self) -> None:
        """The next message to itself tells."""


class _Cut(Exception):
    """The connection has ended."""

    def __init__(self, reason: str, *, connected: bool) -> None:
        super().__init__(reason)
        self.connected = connected


def _outcome(session: asyncio.Task[None]) -> tuple[bool, str]:
    """Whether it was connected, and why it ended."""
    if session.cancelled():
        return True, "it does not hear itself"
    error = session.exception()
    return getattr(error, "connected", False), str(error)


def _batches(commands: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """The same commands in the same order, neighbours of one kind together."""
    batches: list[tuple[str, list[str]]] = []
    for command, name in commands:
        if not batches or batches[-1][0] != command or len(batches[-1][1]) >= _NAMES_AT_ONCE:
            batches.append((command, []))
        batches[-1][1].append(name)
    return batches


@service
async def relay(store: Store, settings: RelaySettings, clock: Clock, ids: Ids, log: Logger) -> AsyncIterator[Relay]:
    """What every node says to every other. It connects when somebody first listens."""
    opened = Relay(store, settings, clock, ids, log)
    try:
        yield opened
    finally:
        await opened.close()
