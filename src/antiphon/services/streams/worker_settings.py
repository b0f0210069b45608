"""The settings of a worker: what it serves, how much at once, and how long it has to end."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.settings import Settings, doc


class WorkerSettings(Settings, frozen=True):
    """What one worker takes on."""

    section: ClassVar[str] = "worker"

    slots: Annotated[int, Meta(ge=1, le=10_000), doc("How many jobs one process runs at once.")] = 10
    queues: Annotated[
        tuple[str, ...], doc("The queues that are served. Empty: all that the application and the store know.")
    ] = ()
    schedules: Annotated[bool, doc("Whether this worker makes recurring actions recur; others may do it as well.")] = (
        True
    )
    call_time: Annotated[
        timedelta, doc("How long one attempt of a job may take; timeout(...) of its action stands above it.")
    ] = timedelta(minutes=5)
    drain: Annotated[
        timedelta, doc("How long running jobs have when the process ends; what is left then goes back uncounted.")
    ] = timedelta(seconds=25)
    max_stuck: Annotated[
        int, Meta(ge=1), doc("With so many jobs that ignore their end the worker drains and exits, to be started anew.")
    ] = 3
    undo_time: Annotated[
        timedelta, doc("How long a cancelled job has to end, before it is settled or put back without it.")
    ] = timedelta(seconds=5)
