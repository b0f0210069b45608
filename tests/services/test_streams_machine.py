"""Any interleaving of everything that can happen to jobs keeps what queues promise."""

from __future__ import annotations

from collections import defaultdict
from secrets import token_hex
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from antiphon.core.errors import Conflict, NotFound
from antiphon.core.log import Silent
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import FINISHED
from antiphon.services.streams.values import Cancelled, Dead, Done, Entry, Outcome, Renewal, Retry, Running
from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.testing.leftovers import lasting_keys
from tests.services.streams_stage import AT_ONCE, BOUNDED, at_most, message, ordered, queues_on

QUEUE = "mail"
WORKERS = ("w0", "w1")
ROOM, HALL, TEAM = ordered("room"), ordered("hall", blocks=True), at_most(2, "team")
KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"lanes": (ROOM,)},
    {"lanes": (HALL,), "priority": "high"},
    {"lanes": (TEAM,), "priority": "low"},
    {"lanes": (ROOM, TEAM)},
    {"lanes": (TEAM, HALL), "priority": "low"},
    {"unique": "ab"},
    {"unique": "cd", "lanes": (ROOM,)},
)
OUTCOMES: tuple[Outcome, ...] = (
    Done(b"1"),
    Retry(0.0),
    Retry(0.001),
    Retry(0.0, counted=False),
    Dead("x"),
    Cancelled(),
)

NUMBER = st.integers(0, 7)
# Jobs have to get far before something can go wrong with them: most steps move them on.
WORDS = [
    *(["enqueue"] * 4 + ["take"] * 5 + ["settle"] * 5 + ["die"] * 2 + ["steal"] * 3 + ["late"] * 3),
    *("delay", "again", "fetch", "start", "claim", "renew", "promote", "release", "give_back"),
    *("cancel", "requeue", "drop", "pause", "resume", "resume"),
]
STEPS = st.lists(st.tuples(st.sampled_from(WORDS), NUMBER, NUMBER), min_size=30, max_size=70)


class Place(NamedTuple):
    """Where a job is: what its hash says, its place in lanes, whether a time is set, how many entries lead to it."""

    job: JobMessage
    state: str
    place: bytes | None
    due: bool
    entries: int

    @property
    def finished(self) -> bool:
        """Whether it has come to an end."""
        return self.state in FINISHED

    @property
    def active(self) -> bool:
        """Whether it is ready or runs."""
        return self.state in {"ready", "running"} or (self.state == "waiting" and self.entries > 0)


class Story:
    """Jobs, workers that forget, and what the store must look like after every step."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.sent: list[JobMessage] = []
        self.taken: dict[str, list[Entry]] = defaultdict(list)
        self.running: dict[str, list[Running]] = defaultdict(list)
        self.lost: list[Running] = []
        self.newest: dict[str, int] = {}

    async def step(self, what: str, first: int, second: int) -> None:
        """One thing that happens; nothing when there is nothing it could happen to."""
        worker = WORKERS[first % len(WORKERS)]
        match what:
            case "enqueue" | "delay" | "again":
                await self.enqueue(what, first, second)
            case "fetch":
                self.taken[worker] += await self.queues.fetch(
                    self.queues.store.client, worker, [QUEUE], 1 + second % 4, low_first=second > 5
                )
            case "claim":
                self.taken[worker] += await self.queues.claim(worker, [QUEUE], 1 + second % 4)
            case "start":
                await self.start(worker)
            case "take" | "steal":
                await self.step("fetch" if what == "take" else "claim", first, second)
                await self.start(worker)
            case "die":
                self.lost += self.running.pop(worker, [])
                self.taken.pop(worker, None)
            case "promote":
                await self.queues.promote([QUEUE])
            case "pause":
                await self.queues.pause(QUEUE)
            case "resume":
                await self.queues.resume(QUEUE)
            case "cancel" | "requeue" | "drop":
                await self.steer(what, second)
            case "give_back":
                await self.queues.give_back(self.taken.pop(worker, []), worker)
            case _:
                await self.end(what, worker, second)

    async def enqueue(self, what: str, kind: int, count: int) -> None:
        """One more job, one more in a moment, or one that was sent before."""
        sent = message(QUEUE, **KINDS[kind])
        if what == "again" and self.sent:
            sent = self.sent[count % len(self.sent)]
        elif what == "delay":
            sent = message(QUEUE, **KINDS[kind], due_at=await self.queues.time.current() + AT_ONCE)
        (answer,) = await self.queues.enqueue([sent])
        assert answer.deduplicated or answer.id == sent.id
        if answer.new:
            self.sent.append(sent)

    async def start(self, worker: str) -> None:
        """Begin what was taken; order is what a start must not break."""
        entries = self.taken.pop(worker, [])
        before = await self.places()
        for begun in await self.queues.start(entries, worker):
            if isinstance(begun, Running):
                assert before[begun.job_id].active, before[begun.job_id]
                assert begun.token > self.newest.get(begun.job_id, 0)
                self.newest[begun.job_id] = begun.token
                self.check_order(begun, before)
                self.running[worker].append(begun)

    async def end(self, what: str, worker: str, second: int) -> None:
        """Renew, settle or release, as a worker that holds the job or one that has lost it."""
        jobs = self.lost if what == "late" else self.running[worker]
        if not jobs:
            return
        job = jobs.pop(second % len(jobs))
        was = (await self.places()).get(job.job_id)
        held = was is not None and was.state == "running" and self.newest[job.job_id] == job.token
        if what == "renew":
            (renewal,) = await self.queues.renew([job])
            assert (renewal is not Renewal.LOST) == held
            if held:
                jobs.append(job)
        elif what == "release":
            (released,) = await self.queues.release([job])
            assert released or not held
        else:
            state = await self.queues.settle(job, OUTCOMES[second % len(OUTCOMES)])
            # A repeated settle is answered as well, so only the newest token may be.
            assert (state is not None) or not held
            assert state is None or self.newest[job.job_id] == job.token

    async def steer(self, what: str, which: int) -> None:
        """Somebody cancels, requeues or drops a job; it may be in no state for that."""
        if not self.sent:
            return
        job = self.sent[which % len(self.sent)]
        try:
            if what == "cancel":
                await self.queues.cancel(job.id)
            elif what == "requeue":
                await self.queues.requeue(job.id, quarantined=True)
            else:
                await self.queues.drop(job.id)
                self.sent.remove(job)
        except (Conflict, NotFound):
            return

    async def places(self) -> dict[str, Place]:
        """Where every acknowledged job is, as its own hash and the other keys of the queue say."""
        keys = self.queues.keys.of_queue(QUEUE)
        pipeline = self.queues.store.client.pipeline(transaction=False)
        for job in self.sent:
            _ = pipeline.hmget(self.queues.keys.job(job.id), ["state", "place"])
        for key in (keys.due, *keys[4:]):
            _ = pipeline.execute_command("ZRANGE" if key == keys.due else "XRANGE", key, *_all_of(key, keys))  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        *hashes, due, high, normal, low = await pipeline.execute()
        entries = [fields[b"id"].decode() for stream in (high, normal, low) for _, fields in stream]
        return {
            job.id: Place(job, (state or b"nowhere").decode(), place, job.id.encode() in due, entries.count(job.id))
            for job, (state, place) in zip(self.sent, hashes, strict=True)
        }

    async def check(self) -> None:
        """What must be true at every moment."""
        places = await self.places()
        for place in places.values():
            assert place.state != "nowhere", f"an acknowledged job is nowhere: {place}"
            assert place.due == (place.state in {"scheduled", "retrying"}), place
            # A job that came through its lane is still "waiting" in its own hash until it begins. What was cancelled
            # then leaves its entry behind.
            if place.state not in {"waiting", "cancelled"}:
                assert place.entries == (place.state in {"ready", "running"}), place
            assert place.entries <= 1, place
        unfinished = [place for place in places.values() if not place.finished]
        assert (await self.queues.depths(QUEUE)).unfinished == len(unfinished)
        for lane in (ROOM, HALL, TEAM):
            inside = [place for place in places.values() if lane in place.job.lanes]
            active = [place for place in inside if place.active]
            assert len(active) <= lane.limit, active
            if lane.blocks and any(place.state in {"dead", "quarantined"} for place in inside):
                assert not active, "a lane was opened before its dead job was requeued or dropped"

    async def check_lifetimes(self) -> None:
        """Only unfinished jobs are kept for ever."""
        hashes = {self.queues.keys.job(job) for job, place in (await self.places()).items() if not place.finished}
        lasting = await lasting_keys(self.queues.store.address.url, self.queues.store.prefix, allowed=BOUNDED)
        assert {name for name in lasting if ":unique:" not in name} == hashes

    def check_order(self, begun: Running, before: dict[str, Place]) -> None:
        """In a lane for one at a time nobody begins before those who came earlier have ended."""
        own = before[begun.job_id].place
        for lane in {ROOM, HALL} & {*begun.message.lanes}:
            for other in before.values():
                if lane in other.job.lanes and not other.finished and other.place is not None:
                    assert own is not None
                    assert other.place >= own, (begun, other)

    async def finish(self) -> None:
        """Everything that was acknowledged comes to an end when workers go on."""
        self.running.clear()
        await self.queues.resume(QUEUE)
        for _ in range(1_000):
            await self.queues.promote([QUEUE])
            entries = await self.queues.fetch(self.queues.store.client, "last", [QUEUE], 10)
            entries += await self.queues.claim("last", [QUEUE], 10)
            begun = [job for job in await self.queues.start(entries, "last") if isinstance(job, Running)]
            await self.queues.settle_all([(job, Done()) for job in begun])
            places = await self.places()
            for place in places.values():
                if place.state in {"dead", "quarantined"}:
                    await self.queues.requeue(place.job.id, quarantined=True)
            if all(place.state in {"done", "cancelled"} for place in places.values()):
                return
        raise AssertionError(f"some jobs never ended: {await self.places()}")


def _all_of(key: str, keys: QueueKeys) -> tuple[Any, ...]:
    return (0, -1) if key == keys.due else ("-", "+")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example([("enqueue", 1, 0), ("enqueue", 1, 0), ("fetch", 0, 0), ("start", 0, 0), ("die", 0, 0), ("claim", 1, 0)])
@given(STEPS)
@pytest.mark.lasting_keys("*")
async def test_any_interleaving_keeps_the_promises(store: Store, steps: list[tuple[str, int, int]]) -> None:
    """Each job is in one place, no cap is exceeded, old tokens count nothing, and everything ends, whatever happens."""
    own = Store(store.address.url, prefix=f"{store.prefix}-{token_hex(4)}", log=Silent())
    try:
        story = Story(queues_on(own, lease_time=AT_ONCE, max_crashes=2))
        for step in steps:
            await story.step(*step)
            await story.check()
        await story.check_lifetimes()
        await story.finish()
        await story.check_lifetimes()
        keys = story.queues.keys.of_queue(QUEUE)
        assert await own.client.exists(keys.lanes, keys.due) == 0
    finally:
        await own.close()
