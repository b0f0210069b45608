"""The connection to a store that is a Cluster, under the same promise as that to one server."""

# Each key is on one of several nodes, and a node says MOVED when a key has gone to another; redis-py follows that. What
# is changed here is what `client.py` changes for a single server: no command is sent twice when its answer was lost,
# one time for everything, one answer for every kind of "not now", and calls wait in line for a connection.
#
# A command goes where its first key is, so everything a script or a blocking read names must be in one slot, which is
# what the {hash-tags} of our keys are for. A pipeline is sent in parts, one to each node, side by side: answers stay in
# order, but the parts are several trips, and no transaction.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, RedisCluster
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from redis.maint_notifications import MaintNotificationsConfig

from antiphon.core.errors import SetupError, Unavailable
from antiphon.stores.client import StoreAddress, condition
from antiphon.stores.outage import Outage

_MOST_NAMES = 10_000

_ADDRESS = ("host", "port", "username", "password", "client_name")


class ClusterClient(RedisCluster):
    """What `StoreClient` is for one server. `connections` bounds the commands under way, and so those to each node."""

    def __init__(
        self, address: StoreAddress, *, connections: int, command_time: float, connect_time: float, outage: Outage
    ) -> None:
        options = address.connection()
        if "path" in options or options.get("db"):
            raise SetupError(
                f"redis.url (REDIS_URL) is {address}, which no Cluster can have. Write redis://host:6379 of any of its "
                f"nodes, or leave redis.cluster out."
            )
        super().__init__(  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
            **{name: options[name] for name in _ADDRESS if name in options},
            **{name: value for name, value in options.items() if name.startswith("ssl_")},
            ssl=options.get("connection_class") is SSLConnection,
            max_connections=connections,
            # A node that is away must not keep the keys of the others away.
            require_full_coverage=False,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=connect_time,
            protocol=3,
            legacy_responses=False,
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        self.command_time = command_time
        self.outage = outage
        self._places = asyncio.Semaphore(connections)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command to the node of its key and wait for the answer."""
        try:
            async with asyncio.timeout(self.command_time), self._places:
                answer = await super().execute_command(*args, **options)
        except (RedisError, RedisClusterException, OSError) as error:
            raise told(error, self.outage) from error
        if self.outage.away:
            self.outage.answered()
        return answer

    async def ping(self, **options: Any) -> bool:
        """Whether a node answers; raises Unavailable when none does."""
        return bool(await self.execute_command("PING", **options))

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterStorePipeline:
        """Several commands in one trip to each node that has keys of them; never a transaction."""
        if transaction:
            raise TypeError("In a Cluster a step is a script; a pipeline cannot be one.")
        return ClusterStorePipeline(self)  # pyright: ignore[reportAbstractUsage]  # redis-py says so of its own one as well

    def key_on_each_primary(self, name: Callable[[int], str]) -> list[tuple[ClusterNode, str]]:
        """The nodes that take writes, each with a key that lies on it: one of `name(0)`, `name(1)` and so on.

        The client must have run a command before. Raises Unavailable while slots belong to nobody.
        """
        found: dict[str, tuple[ClusterNode, str]] = {}
        left = {node.name for node in self.get_primaries()}
        # Slots are spread evenly, so that few names are tried; a node without slots has no key, and nothing to say.
        for key in map(name, range(_MOST_NAMES)):
            try:
                node = self.get_node_from_key(key)
            except RedisClusterException as error:
                raise told(error, self.outage) from error
            if node is not None:
                found.setdefault(node.name, (node, key))
            if found.keys() >= left:
                break
        return [*found.values()]

    def place(self) -> asyncio.Semaphore:
        """The line in which calls wait for a connection."""
        return self._places


class ClusterStorePipeline(ClusterPipeline):
    """Commands collected by name, sent under the same promise as a single one."""

    def __init__(self, client: ClusterClient) -> None:
        super().__init__(client)
        self._client = client

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script that the nodes know; redis-py refuses that here, though every node knows its own scripts."""
        return self.execute_command("EVALSHA", sha, numkeys, *keys_and_args)

    def publish(self, channel: Any, message: Any, **kwargs: Any) -> Any:
        """Send a message, which redis-py refuses here as well; its name belongs to a node as a key does."""
        return self.execute_command("PUBLISH", channel, message, **kwargs)

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  # redis-py's signature
        """Send everything and return every answer, in order."""
        client = self._client
        try:
            async with asyncio.timeout(client.command_time), client.place():
                answers = await super().execute(raise_on_error, allow_redirections)
        except (RedisError, RedisClusterException, OSError) as error:
            raise told(error, client.outage) from error
        if client.outage.away:
            client.outage.answered()
        if raise_on_error:
            return answers
        return [
            told(answer, client.outage) if isinstance(answer, RedisError | RedisClusterException) else answer
            for answer in answers
        ]


def told(error: RedisError | RedisClusterException | OSError, outage: Outage) -> Exception:
    """What a caller is told; that no node is to be found is one more way of being away."""
    if isinstance(error, RedisClusterException) and not isinstance(error, RedisError):
        outage.cut(error)
        return Unavailable("The store is away.", retry_after=1.0)
    return condition(error, outage)
