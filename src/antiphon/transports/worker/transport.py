"""The worker transport: actions that were queued, run later in this process."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Sequence
from secrets import token_hex

from antiphon.core.errors import SetupError
from antiphon.core.runtime import Runtime
from antiphon.services.metrics import Metrics
from antiphon.services.streams.consumer import Consumer
from antiphon.services.streams.job_counts import JobCounts
from antiphon.services.streams.keys import valid_queue
from antiphon.services.streams.players import BatchReports, JobPlayer, JobWatcher, Recurring
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.registry import Registry
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.streams.tellings import Tellings
from antiphon.services.streams.worker_settings import WorkerSettings
from antiphon.services.tasks.plans import declared_queues
from antiphon.transports.worker.desk import JobDesk
from antiphon.transports.worker.metrics import JobCollector


class Worker:
    """Runs jobs: what `ctx.later`, schedules, batches and listeners have queued."""

    name = "worker"

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._own: Runtime | None = None
        self._supervisor: Supervisor | None = None
        self._consumer: Consumer | None = None

    @property
    def needs(self) -> Iterable[type]:
        return (WorkerSettings, Queues, Supervisor, Metrics)

    def fresh(self) -> Worker:
        """The same transport, not prepared."""
        return Worker()

    def prepare(self, runtime: Runtime) -> None:
        """Check the settings, and show what is counted. Raises SetupError."""
        settings = runtime.settings(WorkerSettings)
        wrong = [name for name in settings.queues if not valid_queue(name)]
        if wrong:
            raise SetupError(f"worker.queues names {wrong[0]!r}, which no queue can be called. Use a-z, 0-9 and -.")
        self._runtime, self._consumer = runtime, None
        # Jobs have their own times and their own end: a drain of requests must not wait for them, nor cancel them.
        self._own = runtime.apart(most_calls=settings.slots, call_seconds=settings.call_time.total_seconds())
        self._supervisor = runtime.require(Supervisor, "Worker()")
        registry = runtime.require(Metrics, "Worker()").registry
        registry.register(JobCollector(self._supervisor, lambda: self.counts))

    async def listen(self) -> None:
        """Begin to take jobs."""
        runtime, own, supervisor = self._runtime, self._own, self._supervisor
        if runtime is None or own is None or supervisor is None:
            raise SetupError("The worker transport has not been prepared: start the application first.")
        settings, queues = runtime.settings(WorkerSettings), runtime.require(Queues, "Worker()")
        worker_id = f"{re.sub(r'[^A-Za-z0-9.-]', '-', socket.gethostname())[:60]}-{os.getpid()}-{token_hex(4)}"
        tellings = Tellings(_all(runtime, BatchReports), _all(runtime, JobWatcher), runtime.log)
        players = _all(runtime, JobPlayer)
        self._consumer = consumer = Consumer(
            queues,
            supervisor,
            JobDesk(own, players, tellings, undo_seconds=settings.undo_time.total_seconds()),
            settings,
            Registry(queues, worker_id),
            tellings,
            runtime.log,
            worker_id=worker_id,
        )
        consumer.hands.on_stuck = self._on_stuck
        declared = sorted(declared_queues(runtime.actions.values()))
        consumer.begin(
            lambda: [*declared, *(name for player in players for name in player.queues())],
            _all(runtime, Recurring) if settings.schedules else (),
        )
        runtime.log.info("worker.listening", worker=worker_id, slots=settings.slots, queues=consumer.names)

    async def drain(self) -> None:
        """Take no more jobs, and give the running ones their time; what is left goes back as if it had never begun."""
        if self._consumer is not None:
            await self._consumer.drain()
        if self._own is not None:
            self._own.calls.close()

    async def stop(self) -> None:
        """Forget what was prepared; the loops have ended with the drain."""
        self._runtime = self._own = self._supervisor = None

    def greeting(self) -> list[str]:
        """What it serves, for the person who started it."""
        if self._consumer is None or self._runtime is None:
            return []
        settings = self._runtime.settings(WorkerSettings)
        of = f"of {', '.join(settings.queues)}" if settings.queues else "of every queue"
        return [f"worker    {settings.slots} jobs at once, {of}"]

    @property
    def counts(self) -> JobCounts:
        """What was counted so far; nothing before it listens."""
        return JobCounts() if self._consumer is None else self._consumer.hands.counts

    @property
    def consumer(self) -> Consumer:
        """The loops. Raises SetupError before it listens."""
        if self._consumer is None:
            raise SetupError("The worker transport does not listen.")
        return self._consumer

    def _on_stuck(self, count: int) -> None:
        runtime = self._runtime
        if runtime is not None and count >= runtime.settings(WorkerSettings).max_stuck:
            reason = f"{count} jobs ignore the end of their time (worker.max_stuck)."
            runtime.log.error("worker.stuck", count=count)
            if runtime.ask_to_end is not None:
                runtime.ask_to_end(reason)


def _all[T](runtime: Runtime, kind: type[T]) -> Sequence[T]:
    """Every service that fulfils this, once."""
    return [each for each in {id(each): each for each in runtime.services.values()}.values() if isinstance(each, kind)]
