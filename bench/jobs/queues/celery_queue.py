"""Celery on Redis, with fifty threads: its usual processes would need fifty of them for fifty slots."""

from __future__ import annotations

import time
from typing import Any

import redis
from celery import Celery
from celery.signals import worker_ready

from bench.jobs.queues.effects import EFFECT_SECONDS, EFFECTS, SHORT_SECONDS
from bench.jobs.tally import Tally, say


def _app(url: str) -> Any:
    app: Any = Celery("bench", broker=url, backend=url)
    # What loses nothing by its own documentation: acknowledged after the run, and given again when a worker is lost.
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 20},
        result_expires=3600,
        worker_hijack_root_logger=False,
    )
    return app


def produce(url: str, work: str, count: int, apart: float) -> None:
    """Enqueue jobs."""
    app = _app(url)
    began, cpu = time.monotonic(), time.process_time()
    for number in range(count):
        app.send_task(work, [number if work == "effect" else time.monotonic()])
        if apart:
            time.sleep(apart)
    say(seconds=time.monotonic() - began, cpu=time.process_time() - cpu)


def work(url: str, count: int, slots: int) -> None:
    """Run jobs until ended."""
    app = _app(url)
    tally = Tally(count)
    client = redis.Redis.from_url(url)

    def noop(sent: float) -> None:
        tally.begin()
        tally.ran(sent)

    def short(sent: float) -> None:
        tally.begin()
        time.sleep(SHORT_SECONDS)
        tally.ran(sent)

    def effect(number: int) -> None:
        time.sleep(EFFECT_SECONDS)
        client.rpush(EFFECTS, number)

    app.task(name="noop")(noop)
    app.task(name="wait")(noop)
    app.task(name="short")(short)
    app.task(name="effect")(effect)

    @worker_ready.connect(weak=False)
    def ready(**_facts: object) -> None:
        say(ready=1)

    app.worker_main(["worker", "--pool=threads", f"--concurrency={slots}", "--loglevel=ERROR", "--without-gossip"])
