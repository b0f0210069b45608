"""What the rest of Antiphon knows of the store: keys under one prefix, a client, scripts, and how it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from redis.exceptions import AuthenticationError, NoScriptError, RedisError

from antiphon.core.errors import CallError, SetupError, Unavailable
from antiphon.core.health import Health
from antiphon.core.log import Logger
from antiphon.stores.client import StoreAddress, StoreClient, StorePool
from antiphon.stores.cluster import ClusterClient
from antiphon.stores.outage import Outage
from antiphon.stores.script import Script
from antiphon.stores.trips import Trips

_OLDEST = 7


class Store:
    """Shared state: a Redis or Valkey server, or a Cluster of them.

    `store.client` runs commands. A command that the store cannot serve raises Unavailable within `command_time` (one
    second by default). After it the command may have run or not. Every other error of redis-py is our mistake.
    """

    health_name = "store"
    health_critical = True

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        log: Logger,
        pool_size: int = 32,
        command_time: timedelta = timedelta(seconds=1),
        connect_time: timedelta = timedelta(seconds=1),
        embedded: bool = False,
        clustered: bool = False,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,64}", prefix):
            raise SetupError(f"redis.prefix is {prefix!r}. Write 1 to 64 letters, digits, or any of _ . : -")
        self.prefix = prefix
        self.address = StoreAddress(url)
        self.health_reason = ""
        self.embedded = embedded
        self.clustered = clustered
        """Whether it is a Cluster, where a command that waits waits in one node."""
        self._log = log
        self._outage = Outage(log)
        self._options = self.address.connection()
        self._connect_time = connect_time.total_seconds()
        self.client = self.connect(connections=pool_size, command_time=command_time)
        self.trips = Trips(self.client)
        """For what every call asks: commands of one moment go together."""

    def key(self, text: str) -> str:
        """The full name of a key. Put what must share a slot of a Cluster into `{…}`: `store.key("{jobs.mail}:due")`.

        The names themselves are written in one file, by the part that owns them.
        """
        return f"{self.prefix}:{text}"

    def connect(self, *, connections: int, command_time: timedelta) -> StoreClient:
        """Another client of the same store, for commands that block: give it their time and a second more.

        Who asks for it closes it (`await client.aclose()`). In a Cluster it finds the node of each command's keys.
        """
        if self.clustered:
            client = ClusterClient(
                self.address,
                connections=connections,
                command_time=command_time.total_seconds(),
                connect_time=self._connect_time,
                outage=self._outage,
            )
            # It has everything that the rest of Antiphon knows of a client, and redis-py gives the two no common type.
            return cast("StoreClient", client)
        return self.connect_node(connections=connections, command_time=command_time)

    def connect_node(self, *, connections: int, command_time: timedelta) -> StoreClient:
        """A client of the one server that the address names, also in a Cluster: for pub/sub, which reaches every node.

        Who asks for it closes it.
        """
        pool = StorePool(connections, self._connect_time, self._options)
        return StoreClient(pool, command_time.total_seconds(), self._outage)

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float] = ()) -> Any:
        """Run a script as one step, in one trip; in two the first time after the server has started."""
        try:
            return await self.client.evalsha(script.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self.client.eval(script.text, len(keys), *keys, *args)

    def greeting(self) -> list[str]:
        """Which server this is and how to switch, for the person who started it."""
        if self.embedded:
            return ["store     an embedded Valkey; REDIS_URL switches to a Redis or Valkey server"]
        return [f"store     {self.address} (REDIS_URL)"]

    async def check_health(self) -> Health:
        """Up, degraded when the server may throw keys away (`health_reason` says so), down when it does not answer."""
        try:
            policy = await self._policy()
        except CallError as error:
            self.health_reason = error.message
            return Health.DOWN
        except RedisError:
            policy = None  # a user who may not ask INFO can still work with the keys
        if policy in (None, "noeviction"):
            self.health_reason = ""
            return Health.UP
        reason = f"maxmemory-policy is {policy}, so sessions and jobs may vanish; set it to noeviction"
        if reason != self.health_reason:
            self._log.warning("store.evicts", reason=reason)
        self.health_reason = reason
        return Health.DEGRADED

    async def greet(self) -> None:
        """The first contact. A store that is away is a warning: the process starts and waits for it.

        Raises SetupError for what waiting does not mend: a refused password, a server that is too old.
        """
        try:
            server = cast("dict[str, object]", await self.client.execute_command("INFO", "server"))
        except Unavailable as error:
            if _sign_in_refused(error):
                raise SetupError(
                    f"The store at {self.address} refuses the name or password in redis.url (REDIS_URL)."
                ) from None
            return
        except RedisError:
            return
        version = str(server.get("redis_version", _OLDEST))
        if int(version.partition(".")[0]) < _OLDEST:
            raise SetupError(f"The store at {self.address} is Redis {version}. Use Redis 7 or newer, or any Valkey.")

    async def close(self) -> None:
        """Close every connection of `client`."""
        await self.trips.close()
        await self.client.aclose()

    async def _policy(self) -> str | None:
        memory = cast("dict[str, object]", await self.client.execute_command("INFO", "memory"))
        found = memory.get("maxmemory_policy")
        return None if found is None else str(found)


def _sign_in_refused(error: BaseException | None) -> bool:
    # redis-py wraps what goes wrong while it connects, on Unix sockets once more than on others.
    while error is not None and not isinstance(error, AuthenticationError):
        error = error.__cause__
    return error is not None
