"""The connection to the store: redis-py's client with one time for everything and one answer when the store is away."""

# redis-py is used for its commands, its parser and its pool. Some of its habits are changed here, and nowhere else:
#
#   its habit                                   ours
#   ten retries with backoff, up to seconds     none: a command that may have run is not sent twice. A pooled connection
#                                               that the server has closed is found and replaced before it is used, so
#                                               a restart of the store costs no caller an error once it is back
#   a timer each for pool, write and read       one time for all three: `Unavailable` comes within `command_time`
#   two dozen kinds of "not now"                `Unavailable`; what is left is a defect of ours
#   values of commands in pipeline errors       the name of the command only: a value may be a secret
#   retries, telemetry, packing in Python       one exchange on one connection (exchange.py)

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,  # noqa: A004  # redis-py's own, unlike Python's
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004  # redis-py's own, unlike Python's
    TryAgainError,
)
from redis.maint_notifications import MaintNotificationsConfig

from antiphon.core.errors import SetupError, Unavailable
from antiphon.stores.exchange import exchange, shaped
from antiphon.stores.outage import Outage

_CUT = (ConnectionError, TimeoutError)
_REFUSED = (OutOfMemoryError, ReadOnlyError, ClusterDownError, TryAgainError)
# Answers that redis-py has no class for: a full disk, a script that does not end, too few replicas.
_REFUSED_CODES = frozenset({"MISCONF", "BUSY", "NOREPLICAS", "UNKILLABLE"})
_PLAIN_OPTIONS = {"keys"}
_URL_OPTIONS = frozenset({"db", "client_name"})


@dataclass(frozen=True, slots=True, repr=False)
class StoreAddress:
    """Where the store is. It prints without user, password and options."""

    url: str

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        if parts.scheme == "unix":
            return f"unix://{parts.path}"
        return f"{parts.scheme}://{parts.hostname or 'localhost'}:{parts.port or 6379}{parts.path}"

    __str__ = __repr__

    def connection(self) -> dict[str, Any]:
        """What redis-py needs for one connection. Raises SetupError for an address that cannot be used."""
        try:
            options = cast("dict[str, Any]", parse_url(self.url))
        except ValueError:
            # The text of the error may hold a piece of the password.
            raise SetupError(
                "redis.url (REDIS_URL) is no address of a Redis or Valkey server. Write redis://host:6379/0, "
                "rediss://host:6379/0 for TLS or unix:///path/to/socket; encode odd characters in a password as %XX."
            ) from None
        names = parse_qs(urlsplit(self.url).query)
        unknown = [name for name in names if name not in _URL_OPTIONS and not name.startswith("ssl_")]
        if unknown:
            raise SetupError(
                f"redis.url (REDIS_URL) has the option {unknown[0]!r}, which is not read. "
                f"There are db, client_name and ssl_…; times and sizes are settings of their own (redis.command_time)."
            )
        return options


class StorePool(BlockingConnectionPool):
    """A bounded pool that takes a free connection without a lock or a timer; who finds none waits in line."""

    def __init__(self, size: int, connect_time: float, options: dict[str, Any]) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
            size,
            # No timers of its own: StoreClient bounds the whole. Connecting has one, as listeners connect without us.
            timeout=None,
            socket_timeout=None,
            socket_connect_timeout=connect_time,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
            # With notifications of maintenance redis-py stops looking whether a pooled connection is still open.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
            driver_info=None,
            legacy_responses=False,
            **options,
        )
        self._line: deque[asyncio.Future[AbstractConnection]] = deque()

    async def get_connection(self, command_name: object = None, *keys: object, **options: object) -> AbstractConnection:
        """A connection that is open and has nothing left to read; waits in line while all are in use."""
        connection = self.get_available_connection() if self._is_free else await self._turn()
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Give a connection back: to whoever has waited longest, if anybody has."""
        if connection.should_reconnect():
            await connection.disconnect()
        self._hand_on(connection)

    @property
    def _is_free(self) -> bool:
        # Nobody passes those who wait: redis-py's own line lets whoever comes at the right moment, and puts the one
        # who was woken in vain at its end, so that with many callers some wait for ever.
        return not self._line and self.can_get_connection()

    async def _turn(self) -> AbstractConnection:
        place: asyncio.Future[AbstractConnection] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            return await place
        except BaseException:
            if place.done() and not place.cancelled():
                self._hand_on(place.result())
            raise

    def _hand_on(self, connection: AbstractConnection) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(connection)
                return
        # redis-py's own way takes two locks and tells listeners that we do not have: a sixth of the cost of a command.
        self._in_use_connections.remove(connection)
        self._available_connections.append(connection)


class StoreClient(Redis):
    """redis-py's client as the rest of Antiphon sees it: `await client.get(...)`, `client.pipeline(transaction=False)`.

    Every command ends within `command_time`, waiting for a connection included, or raises Unavailable. A command is
    sent once at most; after Unavailable it may have run or not. Values are bytes.
    """

    def __init__(self, pool: StorePool, command_time: float, outage: Outage) -> None:
        super().__init__(connection_pool=pool)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        self.auto_close_connection_pool = True
        self.command_time = command_time
        self.outage = outage

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command and wait for its answer."""
        try:
            async with asyncio.timeout(self.command_time):
                answer = await self._answer(args, options)
        except (RedisError, OSError) as error:
            raise condition(error, self.outage) from error
        if self.outage.away:
            self.outage.answered()
        return answer

    async def _answer(self, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if options and options.keys() != _PLAIN_OPTIONS:
            return cast("Any", await super().execute_command(*args, **options))  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        (answer,) = await exchange(self.connection_pool, [args])
        if isinstance(answer, ResponseError):
            raise answer
        return await shaped(self.response_callbacks, args, options, answer)

    async def ping(self, **options: Any) -> bool:
        """Whether the store answers; raises Unavailable when it does not."""
        return bool(await self.execute_command("PING", **options))

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> StorePipeline:  # noqa: FBT001, FBT002  # redis-py's signature
        """Several commands in one trip; `transaction=True` makes them one step (MULTI, EXEC)."""
        return StorePipeline(self, transaction=transaction)


class StorePipeline(Pipeline):
    """Commands collected by name, sent by `await pipeline.execute()` under the same promise as a single one."""

    def __init__(self, client: StoreClient, *, transaction: bool) -> None:
        super().__init__(client.connection_pool, client.response_callbacks, transaction, None)
        self.command_time = client.command_time
        self.outage = client.outage

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  # redis-py's signature
        """Send everything and return every answer, in order."""
        try:
            async with asyncio.timeout(self.command_time):
                answers = await self._answers(raise_on_error=raise_on_error)
        except (RedisError, OSError) as error:
            raise condition(error, self.outage) from error
        if self.outage.away:
            self.outage.answered()
        if raise_on_error:
            return answers
        return [condition(answer, self.outage) if isinstance(answer, RedisError) else answer for answer in answers]

    async def _answers(self, *, raise_on_error: bool) -> list[Any]:
        if self.is_transaction or self.explicit_transaction or self.connection is not None or self.scripts:
            return await super().execute(raise_on_error)
        commands, self.command_stack = self.command_stack, []
        answers = await exchange(self.connection_pool, [args for args, _ in commands])
        if raise_on_error:
            self.raise_first_error(commands, answers)
        return [
            await shaped(self.response_callbacks, args, options, answer)
            for (args, options), answer in zip(commands, answers, strict=True)
        ]

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        """What is sent at once, between WATCH and MULTI."""
        try:
            async with asyncio.timeout(self.command_time):
                answer = cast("Any", await super().immediate_execute_command(*args, **options))  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        except (RedisError, OSError) as error:
            raise condition(error, self.outage) from error
        return answer

    def annotate_exception(self, exception: Exception, number: int, command: Iterable[object]) -> None:
        """Say which command failed, without its keys and values."""
        name = str(next(iter(command), "?"))
        exception.args = (f"command {number} ({name}): {exception.args[0] if exception.args else ''}",)


def condition(error: RedisError | OSError, outage: Outage) -> Exception:
    """What a caller is told: Unavailable when the store cannot serve now, the error itself when we are wrong."""
    # asyncio.timeout raises Python's TimeoutError, which is an OSError.
    if isinstance(error, (*_CUT, OSError)):
        outage.cut(error)
    elif isinstance(error, _REFUSED) or (isinstance(error, ResponseError) and _code(error) in _REFUSED_CODES):
        outage.refused(_code(error), error)
    else:
        return error
    return Unavailable("The store is away.", retry_after=1.0)


def _code(error: RedisError) -> str:
    return error.status_code or str(error).partition(" ")[0]
