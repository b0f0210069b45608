"""Jobs as calls: as whom they run, what they see, and what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from antiphon import Caller, Metrics
from antiphon.services.streams.message import CallerRef
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.transports.worker_stage import Stage, as_user, on_worker_stage

pytestmark = pytest.mark.lasting_keys("{jobs.*}:*", "{known}:*")


@pytest.fixture
async def stage(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Stage]:
    """A worker on its default settings."""
    async with on_worker_stage(tmp_path, valkey.url, store_prefix) as running:
        yield running


# What it does


async def test_a_queued_call_runs_and_its_result_is_kept(stage: Stage) -> None:
    """Once, with its inputs; its result is what the action gave, as JSON."""
    job_id = await stage.put("word:say", text="hello")

    record = await stage.reaches(job_id, "done")

    assert stage.world.said == ["hello"]
    assert record.result is not None
    assert msgspec.json.decode(record.result) == "hello"
    assert record.attempt == 1


async def test_a_job_sees_what_it_is(stage: Stage) -> None:
    """Its id, its attempt, its times; its idempotency key is its id; its connection is the worker's."""
    message = stage.message("word:say", text="hello")
    await stage.reaches(await stage.put_message(message), "done")

    (ctx,) = stage.world.contexts

    assert ctx.job is not None
    assert (ctx.job.id, ctx.job.attempt, ctx.job.attempts) == (message.id, 1, 3)
    assert ctx.job.enqueued_at == message.enqueued_at
    assert ctx.idempotency_key == message.id
    assert (ctx.connection.type, ctx.connection.id) == ("worker", message.id)


async def test_a_job_belongs_to_the_request_that_queued_it(stage: Stage) -> None:
    """It has the same request id, and goes on with the same trace under a span of its own."""
    await stage.reaches(await stage.put("word:say", text="hello"), "done")

    (ctx,) = stage.world.contexts

    assert ctx.request_id == "the-request"
    assert ctx.connection.trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert "b7ad6b7169203331" not in ctx.connection.traceparent


async def test_a_result_over_the_bound_is_omitted(stage: Stage) -> None:
    """The job is done, and says that there was one."""
    record = await stage.reaches(await stage.put("word:long"), "done")

    assert record.result is None
    assert record.result_omitted


async def test_a_stream_reports_its_items_and_ends_with_the_last(stage: Stage) -> None:
    """Each item is progress while it runs; the last one is the result."""
    job_id = await stage.put("word:count", to=3)

    async def shown() -> bool:
        progress = (await stage.record(job_id)).progress
        return progress is not None and progress.note == '{"n":2}'

    await wait_until(shown, "the second item was never shown")
    stage.world.gate.set()
    record = await stage.reaches(job_id, "done")

    assert record.result is not None
    assert msgspec.json.decode(record.result) == {"n": 3}


async def test_progress_is_written_at_most_twice_a_second_and_the_last_word_arrives(stage: Stage) -> None:
    """Of a hundred notes the first is there at once and the newest half a second later."""
    job_id = await stage.put("word:report")

    async def shown() -> bool:
        progress = (await stage.record(job_id)).progress
        return progress is not None and (progress.share, progress.note) == (0.99, "step 99")

    await wait_until(shown, "the newest note was never written")


# As whom


async def test_a_job_runs_with_the_rights_of_the_moment(stage: Stage) -> None:
    """The message names its caller; the roles are those that they hold when it runs."""
    stage.users.callers["ada"] = Caller("user", "ada", roles=frozenset({"admin"}))

    record = await stage.reaches(await stage.put_message(as_user(stage.message("word:secret"), "ada")), "done")

    assert record.result is not None
    assert msgspec.json.decode(record.result) == "ada"


@pytest.mark.parametrize(
    "caller",
    [None, Caller("user", "ada"), Caller("user", "ada", tenant_id="elsewhere", roles=frozenset({"admin"}))],
    ids=["gone", "lost the role", "moved"],
)
async def test_who_may_not_any_more_is_refused_at_once(stage: Stage, caller: Caller | None) -> None:
    """A user who is gone, has lost the right, or belongs to another tenant: Forbidden, and the job is dead."""
    if caller is not None:
        stage.users.callers["ada"] = caller

    record = await stage.reaches(await stage.put_message(as_user(stage.message("word:secret"), "ada")), "dead")

    assert record.error is not None
    assert (record.error.type, record.reason) == ("FORBIDDEN", "refused")


async def test_an_anonymous_job_stays_anonymous(stage: Stage) -> None:
    """Whoever was nobody when they asked is nobody when it runs."""
    message = msgspec.structs.replace(stage.message("word:mine"), caller=CallerRef("anonymous", "", "", "http"))

    record = await stage.reaches(await stage.put_message(message), "dead")

    assert record.error is not None
    assert record.error.type == "NOT_SIGNED_IN"


# What becomes of it


async def test_what_failed_runs_again(stage: Stage) -> None:
    """With the next attempt's number, under the same key."""
    record = await stage.reaches(await stage.put("word:fail", how="once"), "done")

    jobs = [ctx.job for ctx in stage.world.contexts]
    assert [job.attempt for job in jobs if job is not None] == [1, 2]
    assert len({ctx.idempotency_key for ctx in stage.world.contexts}) == 1
    assert record.attempt == 2


async def test_a_job_that_always_fails_is_dead_in_the_end(stage: Stage) -> None:
    """After its attempts; its errors are kept as a caller may see them."""
    record = await stage.reaches(await stage.put("word:fail", how="always"), "dead")

    assert len(stage.world.said) == 3
    assert record.reason == "exhausted"
    assert [one.error.type for one in record.errors] == ["DEFECT"] * 3
    assert "nobody may read" not in str(record)


async def test_what_would_fail_again_is_dead_at_once(stage: Stage) -> None:
    """Conflict, for one."""
    record = await stage.reaches(await stage.put("word:fail", how="conflict"), "dead")

    assert len(stage.world.said) == 1
    assert record.reason == "refused"


@pytest.mark.parametrize("how", ["snooze", "often"])
async def test_who_asks_for_later_loses_no_attempt(stage: Stage, how: str) -> None:
    """`ctx.snooze` and TooManyCalls run again when they said, however often."""
    record = await stage.reaches(await stage.put("word:fail", how=how), "done")

    assert len(stage.world.said) == 4
    assert record.attempt == 1


async def test_a_job_that_cancels_itself_has_failed(stage: Stage) -> None:
    """A cancellation that nobody asked for is a defect, and is tried again."""
    record = await stage.reaches(await stage.put("word:fail", how="leave"), "dead")

    assert record.error is not None
    assert (record.error.type, len(stage.world.said)) == ("DEFECT", 3)


async def test_a_job_that_takes_too_long_has_timed_out(stage: Stage) -> None:
    """At the time of its action's `timeout(...)`."""
    record = await stage.reaches(await stage.put("gate:hurry"), "dead")

    assert record.error is not None
    assert record.error.type == "TIMED_OUT"


async def test_inputs_that_do_not_fit_are_dead_at_once(stage: Stage) -> None:
    """When they were made for the action as this worker knows it."""
    record = await stage.reaches(await stage.put("word:say", text=5), "dead")

    assert record.error is not None
    assert record.error.type == "INVALID_INPUT"
    assert [fault.name for fault in record.error.fields] == ["text"]


async def test_inputs_of_another_release_wait_for_it(stage: Stage) -> None:
    """When they do not fit and were made for other inputs than this worker knows, the job is put back, uncounted."""
    message = msgspec.structs.replace(stage.message("word:say", text=5), schema="another")

    record = await stage.reaches(await stage.put_message(message), "retrying")

    assert record.errors == ()
    assert record.due_at is not None
    assert record.due_at > datetime.now(UTC)


@pytest.mark.parametrize("name", ["word:unheard", "word:http"])
async def test_an_action_that_nobody_here_knows_waits_for_a_worker_that_does(stage: Stage, name: str) -> None:
    """One of another release, and one that is not for queues: put back, uncounted."""
    record = await stage.reaches(await stage.put(name), "retrying")

    assert (record.attempt, record.errors) == (0, ())
    assert record.due_at is not None


# What is counted


async def test_jobs_are_counted_by_what_became_of_them(stage: Stage) -> None:
    """By action, queue and outcome; and how long they waited and ran."""
    await stage.reaches(await stage.put("word:say", text="hello"), "done")
    await stage.reaches(await stage.put("word:fail", how="conflict"), "dead")
    await wait_until(lambda: sum(stage.worker.counts.settled.values()) == 2, "they were never counted")

    text = await rendered(stage)

    assert 'antiphon_jobs_settled_total{action="word:say",outcome="done",queue="default"} 1.0' in text
    assert 'antiphon_jobs_settled_total{action="word:fail",outcome="dead",queue="default"} 1.0' in text
    assert 'antiphon_jobs_seconds_count{action="word:say",queue="default"} 1.0' in text
    assert 'antiphon_jobs_wait_seconds_count{queue="default"} 2.0' in text
    assert 'antiphon_streams_round_age_seconds{loop="fetch"}' in text
    assert 'antiphon_calls_total{action="word:say",outcome="OK",transport="worker"} 1.0' in text


async def rendered(stage: Stage) -> str:
    """The metrics of the application."""
    shown = stage.app.runtime.require(Metrics, "the test").render()
    assert isinstance(shown, tuple)
    return shown[1].decode()


async def test_what_a_key_has_asked_for_holds_no_more_than_the_key(stage: Stage) -> None:
    """A job that was queued with an API key does not run with every right of its user."""
    stage.users.callers["ada"] = Caller("user", "ada", roles=frozenset({"admin"}))
    message = stage.message("word:secret")
    of = CallerRef("user", "ada", "", "http", ("word:say:own",))

    job_id = await stage.put_message(msgspec.structs.replace(message, caller=of))

    dead = await stage.reaches(job_id, "dead")
    assert dead.error is not None
    assert dead.error.type == "FORBIDDEN"
