"""What the page about jobs and events shows is run: its program starts, and does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.docs.howto_stage import program_of

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


async def test_the_page_of_jobs_and_events_works(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """An order is packed by a worker, the customer is told, and the commands of the page show it."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix, "WORKER_SCHEDULES": "false"}
    with program_of("jobs-and-events", tmp_path) as shop:
        async with TestApp.start(shop.app, tmp_path, environ) as running:
            shelf = running.runtime.services[shop.Shelf]
            placed = await running.client().post("/api/orders", {"orderId": "o1"})
            await wait_until(lambda: getattr(shelf, "told", []) == ["o1"], "the customer was never told", within=15.0)

            done = await running.command("jobs:list", "--as", "system", "--state", "done", "--queue", "default")
            listeners = await running.command("listeners:list", "--as", "system")

    assert placed.status == 202
    assert placed.json["id"] in {job["id"] for job in done.result["jobs"]}, done.err
    assert [each["name"] for each in listeners.result["listeners"]] == ["customer:tell"]
