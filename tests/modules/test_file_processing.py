"""What happens to a file after its upload: a job looks at it, its owner watches, and the file says so."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing.engines import ValkeyServer
from tests.modules.jobs_stage import job_in
from tests.modules.test_pictures import PNG
from tests.olympus_stage import Olympus, olympus_on

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


async def test_an_upload_is_processed_by_a_job(olympus_anywhere: Olympus) -> None:
    """The upload names its job; when that is done, the file says so, and how large the picture is."""
    ada = await olympus_anywhere.person("Ada")

    uploaded = (await ada.client.upload("/api/file", "a.png", PNG)).json
    job = await job_in(ada.client, uploaded["jobId"], "done")
    file = (await ada.client.get(f"/api/file/{uploaded['id']}/about")).json

    assert (uploaded["processedAt"], uploaded["width"]) == (None, None)
    assert (job["action"], job["result"]) == ("file:process", {"width": 640, "height": 480})
    assert file["processedAt"] is not None
    assert (file["width"], file["height"]) == (640, 480)


async def test_the_owner_watches_the_progress(olympus: Olympus) -> None:
    """Whoever watches `job:{jobId}` of an upload through a socket sees how far it is."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()
    first = (await ada.client.upload("/api/file", "a.png", PNG)).json
    await job_in(ada.client, first["jobId"], "done")
    # A queue that rests leaves the time to begin to watch.
    await hera.client.post("/api/queues/files/pause")
    uploaded = (await ada.client.upload("/api/file", "b.png", PNG)).json

    async with ada.client.live() as live, live.watch(f"job:{uploaded['jobId']}") as watching:
        await hera.client.post("/api/queues/files/resume")
        shown: list[Any] = []
        while not shown or shown[-1].data.get("state") != "done":
            shown.append(await asyncio.wait_for(anext(watching), 15))

    assert shown[0].data["state"] == "running"
    assert [event.data["note"] for event in shown if event.event == "JobProgressed"][:1] == ["reading"]


async def test_a_job_that_is_on_its_way_is_waited_for(olympus: Olympus) -> None:
    """Whoever cancels a job as soon as it is named need not know that it is sent after the commit."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()
    paused = await hera.client.post("/api/queues/files/pause")
    assert paused.status == 200, paused.json

    uploaded = (await ada.client.upload("/api/file", "a.png", PNG)).json
    cancelled = await ada.client.post(f"/api/jobs/{uploaded['jobId']}/cancel")

    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")


async def test_a_job_that_finds_no_room_cannot_be_steered(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """While its queue is full a job waits in the outbox: it is shown, and to cancel it is asked for again."""
    full = {"STREAMS_MAX_UNFINISHED": "1"}
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=full) as running:
        ada, hera = await running.person("Ada"), await running.admin()
        await hera.client.post("/api/queues/files/pause")
        first = (await ada.client.upload("/api/file", "a.png", PNG)).json
        second = (await ada.client.upload("/api/file", "b.png", PNG)).json

        shown = await ada.client.get(f"/api/jobs/{second['jobId']}")
        refused = await ada.client.post(f"/api/jobs/{second['jobId']}/cancel")
        await ada.client.post(f"/api/jobs/{first['jobId']}/cancel")

        assert shown.json["state"] == "waiting"
        assert (refused.status, refused.json["error"]["type"]) == (503, "UNAVAILABLE")
        assert refused.header("retry-after") == "1"
        await hera.client.post("/api/queues/files/resume")
        await job_in(ada.client, second["jobId"], "done")


async def test_an_upload_that_fails_leaves_no_job(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """A call that is rolled back sends no job: it was in the transaction."""
    settings = {"FILES_USER_COUNT": "1"}
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=settings) as olympus:
        ada, hera = await olympus.person("Ada"), await olympus.admin()
        kept = (await ada.client.upload("/api/file", "a.png", PNG)).json

        refused = await ada.client.upload("/api/file", "b.png", PNG)

        await job_in(ada.client, kept["jobId"], "done")
        done = (await hera.client.get("/api/jobs?queue=files&state=done")).json["jobs"]
        assert refused.status == 413
        assert [job["id"] for job in done] == [kept["jobId"]]


async def test_bytes_that_changed_are_noticed(olympus: Olympus) -> None:
    """When the bytes on disk are not those that came, the job is dead and says so; the file stays unprocessed."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()
    first = (await ada.client.upload("/api/file", "a.png", PNG)).json
    await job_in(ada.client, first["jobId"], "done")
    await hera.client.post("/api/queues/files/pause")
    uploaded = (await ada.client.upload("/api/file", "b.png", PNG)).json
    (path,) = (each for each in olympus.kept() if each.name == uploaded["id"])
    path.write_bytes(PNG[:-1] + b"!")

    await hera.client.post("/api/queues/files/resume")
    job = await job_in(ada.client, uploaded["jobId"], "dead")

    assert (job["error"]["type"], job["error"]["message"]) == (
        "CONFLICT",
        "The bytes on disk are not those that were uploaded.",
    )
    assert (await ada.client.get(f"/api/file/{uploaded['id']}/about")).json["processedAt"] is None
