"""Asks the store what it has kept for good, and whether it is still the store that it was."""

# One trip, on connections of its own, because the store makes it wait:
#
#   INFO server              `run_id`: another one means that the server was started anew since, or is another one
#   SET mark … NX, GETEX     the mark of this store: another one means that it came back empty. GETEX renews its life,
#                            and it is a write, which makes WAITAOF wait for everything that was written before it, on
#                            whichever connection
#   WAITAOF 1 0 …            until the file that the server appends to is on its disk. An error means that the server
#                            has no such file, or is too old to be asked: then there is nothing to wait for
#   WAIT n …                 until n replicas have it, where the setting asks for some
#
# What was sent is safe when, after it, one answer says so with the run and the mark from before it was sent.
#
# In a Cluster messages lie on every node, so every primary is asked in a second trip: a SET of a probe, a key that lies
# on it, and after that, on the same connection, both waits and its `run_id`. The run of a Cluster is those of all of
# them. What was sent is safe when all say so; one that is away leaves everything unsafe.

from __future__ import annotations

from datetime import timedelta
from itertools import batched
from typing import Any, NamedTuple, cast

from redis.exceptions import RedisError

from antiphon.core.clock import Ids
from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.services.streams.keys import Keys
from antiphon.services.streams.losses import tell_emptied
from antiphon.stores.base import Store
from antiphon.stores.cluster import ClusterClient

MARK_SECONDS = 30 * 86_400
"""A mark that nobody has renewed for so long is gone, and so is everything that it stood for."""

_PROBE_SECONDS = 60
_SLACK = 1.0


class Receipt(NamedTuple):
    """Which store this is, and whether everything that was written before is on its disk, and with its replicas."""

    run: str
    mark: str
    is_safe: bool


class Receipts:
    """The asking side. Open it with the store, and close it before."""

    def __init__(self, store: Store, ids: Ids, *, wait: float, replicas: int) -> None:
        # The server may take this long for either wait, and only then do we take it for silent.
        self._client = store.connect(connections=2, command_time=timedelta(seconds=2 * wait + _SLACK))
        self._store = store
        self._keys = Keys(store)
        self._mark = self._keys.mark()
        self._ids = ids
        self._millis = int(wait * 1000)
        self._replicas = replicas

    async def ask(self) -> Receipt:
        """Wait for the disk, and say which store it is. Raises Unavailable."""
        client: object = self._client
        if isinstance(client, ClusterClient):
            return await self._ask_nodes(client, waits=True)
        pipeline = self._look()
        self._wait(pipeline)
        run, mark, waits = await self._told(pipeline)
        return Receipt(run, mark, self._is_safe(*waits))

    async def _ask_nodes(self, client: ClusterClient, *, waits: bool) -> Receipt:
        _, mark, _ = await self._told(self._look())
        pipeline: Any = client.pipeline()
        nodes = client.key_on_each_primary(self._keys.probe)
        for node, probe in nodes:
            pipeline.execute_command("SET", probe, 1, "EX", _PROBE_SECONDS, target_nodes=node)
            pipeline.execute_command("INFO", "server", target_nodes=node)
            if waits:
                self._wait(pipeline, target_nodes=node)
        # A probe that followed its slot would be written on another connection than the one that waits.
        answers = cast("list[Any]", await pipeline.execute(raise_on_error=False, allow_redirections=False))
        told = batched(answers, 4 if waits else 2)
        runs: list[str] = []
        safe: list[bool] = []
        for (_, probe), (written, info, *others) in zip(nodes, told, strict=True):
            if isinstance(written, Exception):
                # By itself it may follow, and the client learns where the slot is.
                await client.execute_command("SET", probe, 1, "EX", _PROBE_SECONDS)
                raise Unavailable("A node of the Cluster did not take its probe.") from written
            runs.append(_run(info))
            safe.append(waits and self._is_safe(*others))
        return Receipt(" ".join(sorted(runs)), mark, bool(safe) and all(safe))

    async def look(self) -> Receipt:
        """Say which store it is without waiting for its disk: nothing is safe by this. Raises Unavailable."""
        client: object = self._client
        if isinstance(client, ClusterClient):
            return await self._ask_nodes(client, waits=False)
        run, mark, _ = await self._told(self._look())
        return Receipt(run, mark, is_safe=False)

    async def tell_emptied(self, log: Logger) -> None:
        """Log that the store is another one, unless another process has."""
        await tell_emptied(self._store, log)

    def _wait(self, pipeline: Any, **target: object) -> None:
        pipeline.execute_command("WAITAOF", 1, 0, self._millis, **target)
        pipeline.execute_command("WAIT", self._replicas, self._millis if self._replicas else 1, **target)

    def _is_safe(self, synced: Any, replicas: Any) -> bool:
        for answer in (synced, replicas):
            if isinstance(answer, Unavailable):
                raise answer
        on_disk = isinstance(synced, RedisError) or int(synced[0]) >= 1
        return on_disk and (not self._replicas or (not isinstance(replicas, RedisError) and replicas >= self._replicas))

    def _look(self) -> Any:
        pipeline: Any = self._client.pipeline(transaction=False)
        pipeline.execute_command("INFO", "server")
        pipeline.set(self._mark, self._ids.uuid7(), nx=True, ex=MARK_SECONDS)
        pipeline.getex(self._mark, ex=MARK_SECONDS)
        return pipeline

    @staticmethod
    async def _told(pipeline: Any) -> tuple[str, str, list[Any]]:
        """The run, the mark, and the other answers."""
        info, _, mark, *others = cast("list[Any]", await pipeline.execute(raise_on_error=False))
        for answer in (info, mark, *others):
            if isinstance(answer, Unavailable):
                raise answer
        if not isinstance(mark, bytes):
            raise Unavailable("The store does not keep its mark.")
        return _run(info), mark.decode(), others

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


def _run(info: Any) -> str:
    # A user who may not ask INFO sees no restarts; everything else still works.
    return "" if isinstance(info, Exception) else str(cast("dict[str, object]", info).get("run_id", ""))
