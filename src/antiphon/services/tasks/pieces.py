"""A fan-out as it is kept: a head, and the messages of its children in pieces that the store and the outbox can take.

    piece    is                                                           written by
    0        the head: how many children and pieces, `then`, fail_fast    encode_head
    1 …      a JSON list of job messages, at most 256 KiB together        package_of

The children are complete messages: what runs is what was asked for, whoever sends it off and however often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from antiphon.core.errors import TooLarge
from antiphon.services.streams.keys import child_id, job_id
from antiphon.services.streams.message import MOST_MESSAGE_BYTES, BatchRef, JobMessage, encode_job
from antiphon.services.tasks.fanning import send_children
from antiphon.services.tasks.plans import Origin, Plan, Plans

if TYPE_CHECKING:
    from antiphon.core.action import Call
    from antiphon.services.tasks.settings import TaskSettings

THEN, SENDER, STOPPER = -1, -2, -3
"""What stands for the place in its batch of a job that is no child: `then`, the job that sends, the one that stops."""

_AT_A_TIME = 200
"""How many messages are made before others have their turn."""


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """What a batch says of itself: `then` is a whole message."""

    total: int
    pieces: int
    fail_fast: bool
    then: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Package:
    """A fan-out on its way: its pieces, and the job that sends its children off."""

    id: str
    pieces: list[bytes]
    job: JobMessage
    queue: str


_HEAD = msgspec.json.Decoder(Head)
_CHILDREN = msgspec.json.Decoder(list[JobMessage])
_NOTHING = msgspec.Raw(b"null")


def read_head(data: bytes) -> Head:
    """The head in piece 0."""
    return _HEAD.decode(data)


def read_children(data: bytes) -> list[JobMessage]:
    """The messages in any other piece."""
    return _CHILDREN.decode(data)


async def package_of(
    plans: Plans,
    calls: Sequence[Call[Any]],
    then: Call[Any] | None,
    origin: Origin,
    batch_id: str,
    settings: TaskSettings,
    *,
    fail_fast: bool,
) -> Package:
    """These calls as one batch. Raises TooLarge for too many, or too many bytes."""
    if len(calls) > settings.max_batch:
        raise TooLarge(f"A fan-out has at most {settings.max_batch:,} calls, and this one has {len(calls):,}.")
    total = len(calls)
    cutter = _Cutter(settings.max_batch_bytes)
    for place, call in enumerate(calls):
        plan = plans.of(call.action)
        child = child_id(plan.queue, batch_id, place)
        cutter.add(encode_job(plan.message(call, origin, child, batch=BatchRef(batch_id, place, total))))
        if place % _AT_A_TIME == _AT_A_TIME - 1:
            await asyncio.sleep(0)
    pieces = cutter.end()
    last, queue = _NOTHING, plans.of(calls[0].action).queue if calls else ""
    if then is not None:
        plan = plans.of(then.action)
        queue = queue or plan.queue
        after = plan.message(
            then, origin, job_id(plan.queue, f"{batch_id}:then"), batch=BatchRef(batch_id, THEN, total)
        )
        last = msgspec.Raw(encode_job(after))
    # Where its children are worked through, there is somebody to send them off.
    plan = Plan(send_children, {}, queue)
    call = send_children.bind(batch_id=batch_id, pieces=len(pieces))
    job = plan.message(call, origin, job_id(plan.queue, batch_id), batch=BatchRef(batch_id, SENDER, total))
    head = Head(total, len(pieces), fail_fast, last)
    return Package(batch_id, [msgspec.json.encode(head), *pieces], job, plan.queue)


class _Cutter:
    """Joins messages to pieces."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._most = most_bytes
        self._pieces: list[bytes] = []
        self._open: list[bytes] = []
        self._size = 0

    def add(self, message: bytes) -> None:
        self._left -= len(message)
        if self._left < 0:
            raise TooLarge(f"The calls of one fan-out have at most {self._most:,} bytes together. Pass references.")
        # One byte for the comma behind it, two for the brackets around them all.
        if self._open and self._size + len(message) + 3 > MOST_MESSAGE_BYTES:
            self._close()
        self._open.append(message)
        self._size += len(message) + 1

    def end(self) -> list[bytes]:
        if self._open:
            self._close()
        return self._pieces

    def _close(self) -> None:
        self._pieces.append(b"[" + b",".join(self._open) + b"]")
        self._open, self._size = [], 0
