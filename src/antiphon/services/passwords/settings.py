"""What a password's hash costs, and how many may be computed at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc

LEAST_MEMORY_BYTES = 19 * 1024 * 1024
LEAST_PASSES = 2
_MOST_THREADS = 4


class PasswordSettings(Settings, frozen=True):
    """argon2id (RFC 9106) and the pool it runs in. Stronger settings reach each user with the next sign-in."""

    section: ClassVar[str] = "password"

    memory_bytes: Annotated[int, Meta(le=4 * 1024**3), doc("The memory of one hash; 19 MiB is the least.")] = (
        LEAST_MEMORY_BYTES
    )
    passes: Annotated[int, Meta(le=100), doc("How often a hash goes over its memory; 2 is the least.")] = LEAST_PASSES
    lanes: Annotated[int, Meta(ge=1, le=16), doc("The parts of a hash that could be computed at once.")] = 1
    threads: Annotated[int, Meta(ge=0, le=64), doc("The hashes computed at once. 0: one per core, and 4 at most.")] = 0
    waiting: Annotated[int, Meta(ge=0, le=10_000), doc("The calls that may wait for a hash; more are refused.")] = 64
    wait_time: Annotated[timedelta, doc("How long a call waits for its hash to begin before it is refused.")] = (
        timedelta(seconds=1)
    )

    @property
    def pool_threads(self) -> int:
        """The threads of the pool on this machine."""
        if self.threads:
            return self.threads
        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
        return min(cores, _MOST_THREADS)

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Weaker hashes than these are refused everywhere: they outlive the environment they were made in."""
        if self.memory_bytes < LEAST_MEMORY_BYTES:
            yield Fault("memory_bytes", "makes hashes too cheap to guess; write 19MiB or more")
        if self.passes < LEAST_PASSES:
            yield Fault("passes", "makes hashes too cheap to guess; write 2 or more")
        if self.wait_time <= timedelta(0):
            yield Fault("wait_time", "must be longer than nothing, such as 1s")
