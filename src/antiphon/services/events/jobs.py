"""An event on its way to a listener: the job that it becomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from antiphon.services.events.listener import Listener
from antiphon.services.events.replay import Replay
from antiphon.services.streams.keys import digest_of, event_job_id
from antiphon.services.streams.log import Kept, key_of
from antiphon.services.streams.message import CallerRef, CloudEvent, JobMessage, Lane


def job_of(
    listener: Listener[Any],
    event: CloudEvent,
    entry: Kept,
    own_source: str,
    now: datetime,
    replay: Replay | None = None,
) -> JobMessage:
    """The job in which a listener is told of an event: named after both, so that it is there once.

    The jobs of a replay have names of their own, and name the effects of the first ones unless they shall be again.
    """
    key = key_of(event, own_source)
    first = event_job_id(listener.name, key)
    return JobMessage(
        id=first if replay is None else event_job_id(listener.name, key, replay.id),
        action=listener.name,
        schema=listener.digest,
        # As it stands in the log, so that nothing is lost on the way and nothing is encoded twice.
        inputs=msgspec.Raw(b'{"event":' + entry.data + b"}"),
        caller=CallerRef("system", "", event.tenant_id, "worker"),
        request_id=event.request_id,
        traceparent=event.traceparent,
        tracestate=event.tracestate,
        key=event.partition_key,
        # What is told again must not keep waiting what is new.
        priority="normal" if replay is None else "low",
        attempts=listener.attempts,
        due_at=None,
        batch=None,
        enqueued_at=now,
        lanes=_lanes(event),
        once=first if replay is not None and not replay.again else "",
        replay=replay is not None,
    )


def _lanes(event: CloudEvent) -> tuple[Lane, ...]:
    """Events with one key, one after the other; a key of one tenant is nothing to another's."""
    if not event.partition_key:
        return ()
    return (Lane(digest_of(f"event {event.tenant_id} {event.partition_key}"), 1),)
