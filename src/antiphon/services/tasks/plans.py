"""How the calls of an action become job messages: what its traits say, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from antiphon.core.action import AnyAction, Call
from antiphon.core.caller import SYSTEM, Caller
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.inputs.types import encode_kind
from antiphon.core.job import AS_DECLARED, Priority, RetryPlan, Terms
from antiphon.core.traits import Retry, answers_on
from antiphon.services.streams.keys import digest_of
from antiphon.services.streams.message import BatchRef, CallerRef, JobMessage, Lane
from antiphon.services.streams.schemas import schema_digest
from antiphon.services.tasks.traits import DEFAULT_QUEUE, AtMost, Keep, Queue, Unique, unkept

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


@dataclass(frozen=True, slots=True)
class Origin:
    """Where jobs come from: who asked for them, in what request, and when by the store's time."""

    caller: Caller
    via: str
    request_id: str
    traceparent: str
    now: datetime

    @classmethod
    def of(cls, ctx: Context, now: datetime) -> Origin:
        """The call that asks. Its caller must be known."""
        return cls(ctx.caller, ctx.connection.type, ctx.request_id, ctx.connection.traceparent, now)

    @classmethod
    def itself(cls, request_id: str, now: datetime) -> Origin:
        """The application itself, for what is scheduled."""
        return cls(SYSTEM, "worker", request_id, "", now)


class Plan:
    """What one action says about its jobs."""

    __slots__ = ("_attempts", "_caps", "_keep", "_schema", "_slots", "_unique", "action", "priority", "queue")

    def __init__(self, action: AnyAction, slots: Mapping[str, int], queue_name: str = "") -> None:
        """`queue_name` is a queue to use instead of the one that the action says."""
        queue, retry, kept = action.trait(Queue), action.trait(Retry), action.trait(Keep)
        self.action = action
        self.queue = queue_name or (DEFAULT_QUEUE if queue is None else queue.name)
        self.priority: Priority = "normal" if queue is None else queue.priority
        self._attempts = (RetryPlan() if retry is None else retry.plan).attempts
        self._keep = None if kept is None else kept.seconds
        self._schema = schema_digest(action)
        self._unique = action.trait(Unique)
        self._caps = action.traits_of(AtMost)
        at_once = slots.get(self.queue)
        self._slots = () if at_once is None else (Lane(digest_of("slots"), at_once),)

    def message(
        self,
        call: Call[Any],
        origin: Origin,
        job_id: str,
        terms: Terms = AS_DECLARED,
        *,
        due_at: datetime | None = None,
        batch: BatchRef | None = None,
        lanes: tuple[Lane, ...] = (),
    ) -> JobMessage:
        """The job of a call. Raises ValueError for times that contradict each other or have no zone."""
        caller = origin.caller
        unique, window = self._unique_of(call, caller, terms)
        key, caps = self._caps_of(call, caller, terms)
        return JobMessage(
            id=job_id,
            action=self.action.name,
            schema=self._schema,
            inputs=msgspec.Raw(_encode(call.inputs)),
            caller=CallerRef(
                caller.kind,
                caller.id,
                caller.tenant_id,
                origin.via,
                None if caller.permissions is None else tuple(sorted(caller.permissions)),
            ),
            request_id=origin.request_id,
            traceparent=origin.traceparent,
            tracestate="",
            key=key,
            priority=terms.priority or self.priority,
            attempts=self._attempts,
            due_at=due_at or _due(terms, origin.now),
            batch=batch,
            enqueued_at=origin.now,
            lanes=(*self._slots, *caps, *lanes),
            unique=unique,
            window=window,
            keep=self._keep,
        )

    def _unique_of(self, call: Call[Any], caller: Caller, terms: Terms) -> tuple[str, float | None]:
        # The action's own: an id given instead of another must be one of a job that does the same.
        if terms.unique:
            return digest_of(f"{self.action.name} {terms.unique}"), None
        if self._unique is None:
            return "", None
        return digest_of(f"{self.action.name} {self._unique.key.fill(call.inputs, caller)}"), self._unique.window

    def _caps_of(self, call: Call[Any], caller: Caller, terms: Terms) -> tuple[str, list[Lane]]:
        key, lanes = terms.key, list[Lane]()
        if key:
            lanes.append(_order(key, blocks=False))
        for cap in self._caps:
            text = cap.key.fill(call.inputs, caller)
            if not cap.in_order:
                lanes.append(Lane(digest_of(f"cap {text}"), cap.limit))
            elif not terms.key:
                key = key or text
                lanes.append(_order(text, blocks=cap.on_dead == "block"))
        return key, lanes


class Plans:
    """The plans of an application's actions, each made when it is first needed."""

    def __init__(self, actions: Mapping[str, AnyAction], queues_with_slots: Iterable[str] = ()) -> None:
        """`queues_with_slots` are those for which the settings say how many run at once; they have the last word."""
        self._actions = actions
        said = slots_of(actions.values())
        self._slots = {queue: count for queue, count in said.items() if queue not in frozenset(queues_with_slots)}
        self._plans: dict[AnyAction, Plan] = {}

    def of(self, action: AnyAction) -> Plan:
        """The plan of this action. Raises SetupError for one that cannot be queued."""
        plan = self._plans.get(action)
        if plan is None:
            _refuse_unqueued(action, self._actions)
            plan = self._plans[action] = Plan(action, self._slots)
        return plan


def slots_of(actions: Iterable[AnyAction]) -> dict[str, int]:
    """How many jobs of each queue run at once. Raises SetupError when two actions say different things about one."""
    said: dict[str, tuple[int, AnyAction]] = {}
    for action in actions:
        queue = action.trait(Queue)
        if queue is None or queue.slots is None:
            continue
        slots, other = said.setdefault(queue.name, (queue.slots, action))
        if slots != queue.slots:
            raise SetupError(
                f"{action.where}: {action.name} gives the queue {queue.name} {queue.slots} slots, and {other.name} "
                f"({other.where}) gives it {slots}. Say it once, with one of them."
            )
    return {name: slots for name, (slots, _) in said.items()}


def declared_queues(actions: Iterable[AnyAction]) -> set[str]:
    """The queues that these actions say; those of other releases are found in the store."""
    return {
        DEFAULT_QUEUE if (queue := action.trait(Queue)) is None else queue.name
        for action in actions
        if answers_on(action, "worker")
    }


def _refuse_unqueued(action: AnyAction, actions: Mapping[str, AnyAction]) -> None:
    if actions.get(action.name) is not action:
        raise SetupError(
            f"{action.name} ({action.where}) is none of this application's actions, so no worker would know it. "
            f"Add its module: App(modules=[...])."
        )
    if not answers_on(action, "worker"):
        raise SetupError(f'{action.where}: {action.name} is queued and answers on no worker. Add "worker" to its only.')
    problems = list(unkept(action))
    if problems:
        raise SetupError(*problems)


def _order(key: str, *, blocks: bool) -> Lane:
    return Lane(digest_of(f"order {key}"), 1, blocks=blocks)


def _due(terms: Terms, now: datetime) -> datetime | None:
    if terms.after is not None and terms.at is not None:
        raise ValueError("later() takes `after` or `at`, and not both.")
    if terms.after is not None:
        return now + timedelta(seconds=terms.after)
    if terms.at is not None and terms.at.tzinfo is None:
        raise ValueError("later(at=...) takes a time with its zone, such as datetime.now(UTC) + timedelta(hours=1).")
    return terms.at
