"""Jobs as people see and steer them: over HTTP, on the command line, and live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.client import CallError
from antiphon.modules.accounts.disabling import disable_user
from antiphon.modules.accounts.roles import grant_role, revoke_role
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.messages.actions import say_hello
from tests.modules.jobs_stage import World, dead_job, job_in, post_office, send
from tests.olympus_stage import Olympus

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")

SHAPE = {
    "id", "action", "state", "attempt", "attempts", "progress", "enqueuedAt", "dueAt", "startedAt", "finishedAt",
    "result", "resultOmitted", "error", "batch",
}  # fmt: skip
UNKNOWN_JOB = "post.01890000-0000-7000-8000-000000000000"


@pytest.fixture
def world() -> World:
    """What jobs wait for."""
    return World()


@pytest.fixture
async def office(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str, world: World
) -> AsyncIterator[Olympus]:
    """Olympus with parcels, once on SQLite and once on PostgreSQL."""
    async with post_office(tmp_path, database_url, valkey.url, store_prefix, world) as running:
        yield running


async def test_an_owner_sees_how_a_job_goes(office: Olympus, world: World) -> None:
    """`job:view` shows an unfinished job with Retry-After, its progress, and its result in the end."""
    ada = await office.person("Ada")
    job_id = await send(ada, 21)

    first = await ada.client.get(f"/api/jobs/{job_id}")
    running = await job_in(ada.client, job_id, "running")
    world.gate.set()
    done = await job_in(ada.client, job_id, "done")

    assert (first.status, first.header("retry-after")) == (200, "1")
    assert running.keys() == done.keys() == SHAPE
    assert (done["action"], done["result"], done["error"]) == ("parcel:weigh", 42, None)
    assert (done["attempt"], done["attempts"], done["progress"]) == (1, 1, {"share": 0.5, "note": "on the scales"})
    assert (await ada.client.get(f"/api/jobs/{job_id}")).header("retry-after") is None


async def test_a_queued_call_of_a_disabled_user_is_forbidden(office: Olympus, world: World) -> None:
    """What they had asked for does not run; it ends at once, and for good."""
    ada, hera = await office.person("Ada"), await office.admin()
    await hera.client.post("/api/queues/post/pause")
    job_id = await send(ada, 21)

    await office.running.call(disable_user, ada.id)
    await hera.client.post("/api/queues/post/resume")
    ended = await job_in(hera.client, job_id, "dead", "done")

    assert (ended["state"], ended["attempt"], ended["error"]["type"]) == ("dead", 1, "FORBIDDEN")


async def test_a_job_runs_with_the_rights_that_its_caller_has_now(office: Olympus) -> None:
    """A right that was taken meanwhile is missing, and one that was given meanwhile counts."""
    ada, ben, hera = await office.holder("admin", "Ada"), await office.person("Ben"), await office.admin()
    await hera.client.post("/api/queues/post/pause")
    of_ada, of_ben = [(await each.client.post("/api/parcels/check")).json["id"] for each in (ada, ben)]

    await office.running.call(revoke_role, ada.id, "admin")
    await office.running.call(grant_role, ben.id, "admin")
    await hera.client.post("/api/queues/post/resume")
    refused, done = [await job_in(hera.client, each, "dead", "done") for each in (of_ada, of_ben)]

    assert (refused["state"], refused["error"]["type"]) == ("dead", "FORBIDDEN")
    assert (done["state"], done["result"]) == ("done", ben.id)


async def test_a_job_of_somebody_else_is_no_job(office: Olympus, world: World) -> None:
    """A foreign job, an unknown one and what is no id are the same 404, for looking, cancelling and dropping."""
    ada, eve, hera = await office.person("Ada"), await office.person("Eve"), await office.admin()
    job_id = await send(ada, 1)
    asked = [("GET", ""), ("POST", "/cancel")]

    answers = [
        await eve.client.request(method, f"/api/jobs/{each}{part}")
        for method, part in asked
        for each in (job_id, UNKNOWN_JOB, "nothing")
    ]

    told = {(answer.status, answer.error["type"], answer.error["message"]) for answer in answers}
    assert told == {(404, "NOT_FOUND", "There is no such job.")}
    assert len({len(answer.body) for answer in answers}) == 1
    assert (await hera.client.get(f"/api/jobs/{job_id}")).json["detail"]["callerId"] == ada.id
    world.gate.set()


async def test_a_job_is_cancelled_by_its_owner(office: Olympus) -> None:
    """`job:cancel` stops a job within seconds; a finished one is a 409."""
    ada = await office.person("Ada")
    job_id = await send(ada, 1)
    await job_in(ada.client, job_id, "running")

    answer = await ada.client.post(f"/api/jobs/{job_id}/cancel")

    assert (answer.status, answer.json) == (200, {"id": job_id, "state": "running"})
    await job_in(ada.client, job_id, "cancelled")
    assert (await ada.client.post(f"/api/jobs/{job_id}/cancel")).status == 409


async def test_a_dead_job_is_begun_again(office: Olympus, world: World) -> None:
    """`jobs:retry` begins a dead job again under its id; before, `dryRun` says which, and does nothing."""
    ada, hera = await office.person("Ada"), await office.admin()
    job_id = await dead_job(ada, world)
    seen = (await ada.client.get(f"/api/jobs/{job_id}")).json

    planned = await hera.client.post("/api/jobs/retry", {"queue": "post", "dryRun": True})
    still = (await ada.client.get(f"/api/jobs/{job_id}")).json["state"]
    world.stock = 1
    world.gate.set()
    begun = await hera.client.post("/api/jobs/retry", {"queue": "post", "action": "parcel:weigh"})

    assert (seen["error"]["type"], seen["error"]["message"]) == ("NOT_FOUND", "There is no parcel.")
    assert planned.json == {"jobs": [job_id], "dryRun": True, "more": False}
    assert still == "dead"
    assert begun.json == {"jobs": [job_id], "dryRun": False, "more": False}
    assert (await job_in(ada.client, job_id, "done"))["result"] == 0


async def test_a_retry_says_which_jobs(office: Olympus) -> None:
    """`jobs:retry` without an id or a filter is a 422: nobody begins everything again by mistake."""
    hera = await office.admin()

    answer = await hera.client.post("/api/jobs/retry", {})

    assert answer.status == 422


async def test_the_command_line_lists_retries_and_drops(office: Olympus, world: World) -> None:
    """The same actions are commands: `jobs:list --state dead`, `jobs:retry --job-id …`, `job:drop --job-id …`."""
    ada = await office.person("Ada")
    job_id = await dead_job(ada, world)

    listed = await office.running.command("jobs:list", "--as", "system", "--state", "dead")
    begun = await office.running.command("jobs:retry", "--as", "system", "--job-id", job_id)
    await job_in(ada.client, job_id, "dead")
    dropped = await office.running.command("job:drop", "--as", "system", "--job-id", job_id)

    assert listed.code == 0, listed.err
    assert [(job["id"], job["error"]) for job in listed.result["jobs"]] == [(job_id, "NOT_FOUND: There is no parcel.")]
    assert (begun.code, begun.result["jobs"]) == (0, [job_id])
    assert dropped.code == 0, dropped.err
    assert (await ada.client.get(f"/api/jobs/{job_id}")).status == 404


async def test_a_list_has_pages(office: Olympus, world: World) -> None:
    """`jobs:list` gives every job once, page by page; a cursor that nobody gave is a 422."""
    ada, hera = await office.person("Ada"), await office.admin()
    sent = {await dead_job(ada, world) for _ in range(3)}

    pages = [(await hera.client.get("/api/jobs?state=dead&limit=2")).json]
    while pages[-1]["cursor"]:
        pages.append((await hera.client.get(f"/api/jobs?state=dead&limit=2&cursor={pages[-1]['cursor']}")).json)

    assert sorted(job["id"] for page in pages for job in page["jobs"]) == sorted(sent)
    assert max(len(page["jobs"]) for page in pages) == 2
    statuses = [(await hera.client.get(f"/api/jobs?cursor={bad}")).status for bad in ("x", "cG9zdApkZWFkIHg", "%C3%A9")]
    assert statuses == [422] * 3


async def test_a_paused_queue_rests(office: Olympus, world: World) -> None:
    """`queue:pause` keeps workers from a queue until `queue:resume`; `queues:list` shows both."""
    ada, hera = await office.person("Ada"), await office.admin()
    world.gate.set()
    await job_in(ada.client, await send(ada, 1), "done")

    paused = await hera.client.post("/api/queues/post/pause")
    job_id = await send(ada, 2)
    waiting = await job_in(ada.client, job_id, "ready")
    queues = {queue["name"]: queue for queue in (await hera.client.get("/api/queues")).json["queues"]}
    resumed = await hera.client.post("/api/queues/post/resume")

    assert (paused.json["paused"], resumed.json["paused"]) == (True, False)
    assert (queues["post"]["paused"], queues["post"]["unfinished"], waiting["result"]) == (True, 1, None)
    await job_in(ada.client, job_id, "done")
    assert (await hera.client.post("/api/queues/nowhere/pause")).status == 404


async def test_workers_and_schedules_are_listed(office: Olympus) -> None:
    """`workers:list` shows this process, and `schedules:list` what recurs in Olympus."""
    hera = await office.admin()

    async def is_there() -> bool:
        return bool((await hera.client.get("/api/workers")).json["workers"])

    await wait_until(is_there, "no worker said that it is there")
    workers = (await hera.client.get("/api/workers")).json["workers"]
    schedules = {each["name"]: each for each in (await hera.client.get("/api/schedules")).json["schedules"]}

    assert [worker["slots"] for worker in workers] == [10]
    assert {"messages:hello", "messages:cleanup"} <= schedules.keys()
    assert (schedules["messages:hello"]["when"], schedules["messages:hello"]["lastAt"]) == ('every("1m")', None)


async def test_what_recurs_is_run_now(office: Olympus) -> None:
    """`schedule:run` greets on the board, and who watches it through a socket sees that."""
    hera = await office.admin()
    async with hera.client.live() as live, live.watch("messages") as board:
        answer = await hera.client.post(f"/api/schedules/{say_hello.name}/run")
        shown: Any = await asyncio.wait_for(anext(board), 15)

    assert answer.status == 202
    assert shown.data["message"]["body"].startswith("Hello! The current time is ")
    assert shown.data["message"]["userName"] == "Olympus"
    assert (await job_in(hera.client, answer.json["id"], "done"))["result"] == shown.data["message"]


async def test_the_hourly_cleaning_is_run_now(office: Olympus) -> None:
    """`schedule:run messages:cleanup` cleans as the system, in every tenant, and leaves what is young."""
    ada, hera = await office.person("Ada"), await office.admin()
    message = (await ada.client.put("/api/message", {"body": "hello"})).json

    answer = await hera.client.post("/api/schedules/messages:cleanup/run")
    job = await job_in(hera.client, answer.json["id"], "done")

    assert (job["result"], job["detail"]["callerKind"]) == ({"messagesDeleted": 0}, "system")
    assert (await ada.client.get(f"/api/message/{message['id']}")).status == 200


async def test_a_job_is_watched_live(office: Olympus, world: World) -> None:
    """The channel `job:{job_id}` shows its owner progress and every state, through a socket."""
    ada = await office.person("Ada")
    hera = await office.admin()
    world.gate.set()
    await job_in(ada.client, await send(ada, 1), "done")
    await hera.client.post("/api/queues/post/pause")
    job_id = await send(ada, 3)
    async with ada.client.live() as live, live.watch(f"job:{job_id}") as watching:
        await hera.client.post("/api/queues/post/resume")
        shown: list[Any] = []
        while not shown or shown[-1].data.get("state") != "done":
            shown.append(await asyncio.wait_for(anext(watching), 15))

    assert [event.data.get("state") or event.data["share"] for event in shown] == ["running", 0.5, "done"]


async def test_nobody_else_watches_a_job(office: Olympus, world: World) -> None:
    """The door of `job:{job_id}` is shut for everybody but its owner and admins: as if there were no such job."""
    ada, eve = await office.person("Ada"), await office.person("Eve")
    job_id = await send(ada, 3)
    told: list[str] = []
    async with eve.client.live() as live:
        for each in (job_id, UNKNOWN_JOB):
            with pytest.raises(CallError) as refused:
                async with live.watch(f"job:{each}"):
                    pass
            told.append(str(refused.value))

    assert told == ["NOT_FOUND: There is no such job."] * 2
    world.gate.set()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/jobs"), ("DELETE", f"/api/jobs/{UNKNOWN_JOB}"), ("POST", "/api/jobs/retry"),
        ("GET", "/api/queues"), ("POST", "/api/queues/post/pause"), ("POST", "/api/queues/post/resume"),
        ("GET", "/api/workers"), ("GET", "/api/schedules"), ("POST", "/api/schedules/messages:hello/run"),
    ],
)  # fmt: skip
async def test_only_admins_steer(olympus: Olympus, method: str, path: str) -> None:
    """Everything else about jobs is a 403 for who is no admin."""
    ada = await olympus.person("Ada")

    answer = await ada.client.request(method, path)

    assert answer.status == 403
