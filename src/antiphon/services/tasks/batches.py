"""Fan-outs: keeps them, sends their children off, gathers how each ends, and runs `then` once all have.

step        by                       state of the batch         interrupted, it
keep        who calls `fan_out`      pieces, one by one         was never asked for, or the outbox goes on
send        the job `tasks:fan-out`  `sent` children are out    goes on at `sent`; a child sent twice is one, by its id
report      each child's worker      `outcomes` by place        is repeated: the child is settled only after it
look        every worker, now and    `known` of all batches     begins again; finds the children whose worker died
            then                                                between their end and their report
stop        the job `tasks:stop`     `stopping`                 begins again; the first report of a child counts
finish      who reports last         `finished`                 is repeated; `then` sent twice is one, by its id
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from antiphon.core.errors import Conflict, NotFound, Unavailable
from antiphon.core.job import JobState, Outcomes
from antiphon.core.service import Background
from antiphon.services.streams.keys import job_id, queue_of
from antiphon.services.streams.message import BatchRef, JobMessage, decode_job
from antiphon.services.streams.players import Play
from antiphon.services.tasks.fanning import FanOut, send_children, stop_children
from antiphon.services.tasks.pieces import STOPPER, THEN, Head, Package, read_children, read_head
from antiphon.stores.scripts.batches import steps
from antiphon.stores.scripts.batches.steps import BatchKeys

if TYPE_CHECKING:
    from antiphon.core.context import Context
    from antiphon.core.runtime import Runtime
    from antiphon.services.streams.message import JobError
    from antiphon.services.streams.outbox import Row
    from antiphon.services.streams.queue import Queues
    from antiphon.services.streams.supervisor import Supervisor
    from antiphon.services.tasks.settings import TaskSettings

LOOK = "batches"
"""The loop that looks at batches."""

_AT_ONCE = 100
_STOPPED_AT_ONCE = 20
_LOOKED_AT_ONCE = 20
_MOST_WAIT_SECONDS = 600.0
"""How long the job that sends waits for pieces that a transaction has left in the outbox."""


class BatchCounts(NamedTuple):
    """How far a batch is. Cancelled ones are those that `fail_fast` or somebody stopped."""

    total: int
    done: int
    dead: int
    cancelled: int


class _Ended(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a child ended, as it is kept."""

    state: JobState
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: dict[str, Any] | None = None


_STOPPED: dict[str, Any] = {"type": "CANCELLED", "message": "It was stopped."}
_read_ended = msgspec.json.Decoder(_Ended).decode
_ACTIONS = {action.name: action for action in (send_children, stop_children)}


class Batches(FanOut, Background):
    """The fan-outs of one store. Every method raises Unavailable when it is away."""

    def __init__(self, queues: Queues, supervisor: Supervisor, settings: TaskSettings) -> None:
        self._queues = queues
        self._supervisor = supervisor
        self._store = queues.store
        self._known = queues.keys.known("batches")
        self._life = int(settings.batch_keep_time.total_seconds() * 1000)
        self._look = int(settings.batch_look_time.total_seconds() * 1000)

    async def begin(self, runtime: Runtime) -> None:
        """In a worker, begin to look at batches that are not finished."""
        if "worker" in runtime.listening:
            self._supervisor.keep(LOOK, self.look_round, vital=False)

    async def close(self) -> None:
        """Look no longer."""
        await self._supervisor.end(LOOK)

    # keep

    async def keep(self, package: Package) -> None:
        """Keep a fan-out, before the job that sends it off."""
        for place, piece in enumerate(package.pieces):
            await self._put(package.id, place, piece)

    async def keep_rows(self, rows: Sequence[Row]) -> None:
        """Keep pieces that a transaction has left in the outbox."""
        for row in rows:
            batch_id, _, place = row.id.partition("/")
            await self._put(batch_id, int(place), row.message)

    async def _put(self, batch_id: str, place: int, piece: bytes) -> None:
        fails_fast = place == 0 and read_head(piece).fail_fast
        if not await steps.put(self._store, self._keys(batch_id), place, piece, self._life, fail_fast=fails_fast):
            raise Unavailable(f"Piece {place} of the batch {batch_id} has come before an earlier one.")

    # send

    def queues(self) -> Sequence[str]:
        """None of its own: the jobs of a fan-out wait where its children do."""
        return ()

    def play(self, message: JobMessage) -> Play | None:
        """The jobs of a fan-out itself, which are no actions of the application."""
        action = _ACTIONS.get(message.action)
        return None if action is None else Play(action, lambda: action.schema.from_json(bytes(message.inputs)))

    async def send(self, ctx: Context, batch_id: str, pieces: int) -> None:
        """Enqueue every child, from where an earlier run was cut off."""
        keys = self._keys(batch_id)
        try:
            head, sent = await self._begin(ctx, keys, pieces)
            # Before the first child is out: from then on one may end unheard.
            await steps.remember(self._store, self._known, batch_id, self._look)
            for piece in range(pieces):
                children = await self._piece(keys, piece)
                left = [child for child in children if _place(child) >= sent]
                for at in range(0, len(left), _AT_ONCE):
                    if await self._send_some(keys, left[at : at + _AT_ONCE]):
                        return
                    await ctx.progress(_place(left[min(at + _AT_ONCE, len(left)) - 1]) / head.total, "sending")
            if not head.total:
                await self._finish(batch_id, head)
        except Unavailable as error:
            # A full queue or a store that is away: neither is the job's own fault, and no attempt is spent on it.
            ctx.snooze(timedelta(seconds=max(1.0, error.retry_after)))

    async def _begin(self, ctx: Context, keys: BatchKeys, pieces: int) -> tuple[Head, int]:
        data, sent = cast("list[bytes | None]", await self._store.client.hmget(keys.meta, ["head", "sent"]))
        if data is None or await self._store.client.llen(keys.children) < pieces:
            age = 0.0 if ctx.job is None else (self._queues.time.now() - ctx.job.enqueued_at).total_seconds()
            if age > _MOST_WAIT_SECONDS:
                raise NotFound("The calls of this fan-out are not there any more.")
            raise Unavailable("The calls of this fan-out are still on their way.")
        return read_head(data), int(sent or 0)

    async def _send_some(self, keys: BatchKeys, children: list[JobMessage]) -> bool:
        """Enqueue these; whether the batch is being stopped, and so no more of it."""
        for child, answer in zip(children, await self._queues.enqueue(children), strict=True):
            if answer.deduplicated:
                told = f"{answer.id} is there already under the same unique key, and runs instead."
                await self.report(child, "cancelled", error={"type": Conflict.type, "message": told})
        stopping = await steps.mark(self._store, keys, "sent", _place(children[-1]) + 1)
        if stopping:
            # The job that stops may have looked at these before they were there.
            await self._stop_some(children)
        return stopping

    # report

    async def report(
        self,
        message: JobMessage,
        state: JobState,
        *,
        result: bytes | msgspec.Raw | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Note the end of a child before it is settled; the first report counts. Nothing for a job of no batch."""
        batch = message.batch
        if batch is None or batch.index < 0:
            return
        keys = self._keys(batch.id)
        ended = _Ended(
            state, msgspec.Raw(b"null" if result is None else result), None if error is None else dict(error)
        )
        word = state if state in ("done", "cancelled") else "dead"
        said = await steps.report(
            self._store, keys, batch.index, msgspec.json.encode(ended), word, batch.count, self._life
        )
        if said.stop:
            await self._queues.enqueue([_stopper(message, batch)])
            await steps.mark(self._store, keys, "stopping", 1)
        if said.complete:
            await self._finish(batch.id, await self._head(keys))

    async def _finish(self, batch_id: str, head: Head | None) -> None:
        if head is not None and bytes(head.then) != b"null":
            await self._queues.enqueue([decode_job(bytes(head.then))])
        await steps.mark(self._store, self._keys(batch_id), "finished", 1)
        await self._forget(batch_id)

    # look

    async def look_round(self) -> float:
        """Look at batches that are not finished for a while; gives the seconds until the next round."""
        for batch_id in await steps.overdue(self._store, self._known, _LOOKED_AT_ONCE, self._look):
            await self.look(batch_id)
        return self._look / 1000 / 2

    async def look(self, batch_id: str) -> None:
        """Report the children of a batch that ended unheard, and finish it when all have reported."""
        keys = self._keys(batch_id)
        fields = await self._store.client.hmget(keys.meta, ["head", "sent", "finished"])
        data, sent, finished = cast("list[bytes | None]", fields)
        if data is None or finished is not None:
            await self._forget(batch_id)
            return
        head = read_head(data)
        # Before the children are looked at: one that reports meanwhile is looked at in vain, and none is missed.
        reported = await self._reported(keys)
        for piece in range(head.pieces):
            unheard = [each for each in await self._piece(keys, piece) if _place(each) not in reported]
            out = [each for each in unheard if _place(each) < int(sent or 0)]
            for at in range(0, len(out), _STOPPED_AT_ONCE):
                await asyncio.gather(*(self._hear(child) for child in out[at : at + _STOPPED_AT_ONCE]))
        if len(reported) == head.total:
            await self._finish(batch_id, head)

    async def _hear(self, child: JobMessage) -> None:
        """Report a child that has ended, and one that is not there any more: it never will."""
        record = await self._queues.view(child.id)
        if record is None:
            await self.report(child, "dead", error={"type": NotFound.type, "message": "It is not there any more."})
        elif record.finished:
            await self.report(child, record.state, result=record.result, error=_told(record.error))

    async def _reported(self, keys: BatchKeys) -> set[int]:
        return {int(place) for place in cast("list[bytes]", await self._store.client.hkeys(keys.outcomes))}

    async def _forget(self, batch_id: str) -> None:
        await self._store.client.zrem(self._known, batch_id)

    # stop

    async def stop(self, ctx: Context, batch_id: str) -> None:
        """Cancel every child that has not reported."""
        keys = self._keys(batch_id)
        reported = await self._reported(keys)
        head = await self._head(keys)
        for piece in range(0 if head is None else head.pieces):
            children = await self._piece(keys, piece)
            await self._stop_some([child for child in children if _place(child) not in reported])

    async def _stop_some(self, children: list[JobMessage]) -> None:
        for at in range(0, len(children), _STOPPED_AT_ONCE):
            await asyncio.gather(*(self._cancel(child) for child in children[at : at + _STOPPED_AT_ONCE]))

    async def _cancel(self, child: JobMessage) -> None:
        try:
            state = (await self._queues.cancel(child.id)).state
        except NotFound:
            state = "cancelled"  # it was never sent
        except Conflict:
            # It has ended, and its worker may have died before it could say so.
            await self._hear(child)
            return
        if state == "cancelled":
            await self.report(child, "cancelled")

    # show

    async def outcomes(self, message: JobMessage) -> Outcomes | None:
        """What `then` finds in `ctx.job.batch`; None for every other job."""
        batch = message.batch
        if batch is None or batch.index != THEN:
            return None
        # By place: a scan may show one twice.
        ends = {place: ended async for place, ended in self._ends(batch.id)}
        results = {place: msgspec.json.decode(end.result) for place, end in ends.items() if end.state == "done"}
        errors = {place: end.error or _STOPPED for place, end in ends.items() if end.state != "done"}
        dead = sum(end.state not in ("done", "cancelled") for end in ends.values())
        return Outcomes(batch.id, batch.count, len(results), dead, results, errors)

    async def _ends(self, batch_id: str) -> AsyncIterator[tuple[int, _Ended]]:
        key, cursor = self._keys(batch_id).outcomes, 0
        while True:
            answer: Any = await self._store.client.hscan(key, cursor, count=_AT_ONCE)
            cursor, found = cast("tuple[int, dict[bytes, bytes]]", answer)
            for place, data in found.items():
                yield int(place), _read_ended(data)
            if not cursor:
                return

    async def counts(self, batch_id: str) -> BatchCounts | None:
        """How far a batch is, or None when it is not known any more."""
        fields = ["head", "done", "dead", "cancelled"]
        found = cast("list[bytes | None]", await self._store.client.hmget(self._keys(batch_id).meta, fields))
        if found[0] is None:
            return None
        return BatchCounts(read_head(found[0]).total, *(int(count or 0) for count in found[1:]))

    async def _head(self, keys: BatchKeys) -> Head | None:
        data = cast("bytes | None", await self._store.client.hget(keys.meta, "head"))
        return None if data is None else read_head(data)

    async def _piece(self, keys: BatchKeys, place: int) -> list[JobMessage]:
        data = cast("bytes | None", await self._store.client.lindex(keys.children, place))
        return [] if data is None else read_children(data)

    def _keys(self, batch_id: str) -> BatchKeys:
        keys = self._queues.keys
        return BatchKeys(keys.batch(batch_id), keys.children(batch_id), keys.outcomes(batch_id))


def _place(child: JobMessage) -> int:
    return -1 if child.batch is None else child.batch.index


def _told(error: JobError | None) -> dict[str, Any] | None:
    return None if error is None else msgspec.to_builtins(error)


def _stopper(child: JobMessage, batch: BatchRef) -> JobMessage:
    """The job that stops the rest, made from the message of the child that is dead: it is the same caller's."""
    return msgspec.structs.replace(
        child,
        id=job_id(queue_of(child.id), f"{batch.id}:stop"),
        action=stop_children.name,
        inputs=msgspec.Raw(msgspec.json.encode(stop_children.bind(batch.id).inputs)),
        batch=BatchRef(batch.id, STOPPER, batch.count),
        priority="high",
        key="",
        lanes=(),
        unique="",
        window=None,
        due_at=None,
        attempts=10,
    )
