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

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple, cast

from redis.exceptions import RedisError

from antiphon.core.clock import Ids
from antiphon.core.errors import Unavailable
from antiphon.stores.base import Store

MARK_SECONDS = 30 * 86_400
"""A mark that nobody has renewed for so long is gone, and so is everything that it stood for."""

_SLACK = 1.0


class Receipt(NamedTuple):
    """Which store this is, and whether everything that was written before is on its disk, and with its replicas."""

    run: str
    mark: str
    is_safe: bool


class Receipts:
    """The asking side. Open it with the store, and close it before."""

    def __init__(self, store: Store, mark: str, ids: Ids, *, wait: float, replicas: int) -> None:
        # The server may take this long for either wait, and only then do we take it for silent.
        self._client = store.connect(connections=2, command_time=timedelta(seconds=2 * wait + _SLACK))
        self._mark = mark
        self._ids = ids
        self._millis = int(wait * 1000)
        self._replicas = replicas

    async def ask(self) -> Receipt:
        """Wait for the disk, and say which store it is. Raises Unavailable."""
        pipeline = self._look()
        pipeline.execute_command("WAITAOF", 1, 0, self._millis)
        pipeline.execute_command("WAIT", self._replicas, self._millis if self._replicas else 1)
        run, mark, (synced, replicas) = await self._told(pipeline)
        on_disk = isinstance(synced, RedisError) or int(synced[0]) >= 1
        replicated = not self._replicas or (not isinstance(replicas, RedisError) and int(replicas) >= self._replicas)
        return Receipt(run, mark, on_disk and replicated)

    async def look(self) -> Receipt:
        """Say which store it is without waiting for its disk: nothing is safe by this. Raises Unavailable."""
        run, mark, _ = await self._told(self._look())
        return Receipt(run, mark, is_safe=False)

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
        # A user who may not ask INFO sees no restarts; everything else still works.
        run = "" if isinstance(info, RedisError) else str(cast("dict[str, object]", info).get("run_id", ""))
        return run, mark.decode(), others

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
