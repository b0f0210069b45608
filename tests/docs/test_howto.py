"""What the how-to pages show is run: their program starts, and does what the page says."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "jobs-and-events.md"

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


async def test_the_page_of_jobs_and_events_works(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order is packed by a worker, the customer is told, and the commands of the page show it."""
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "shop_of_the_page.py").write_text(f"from __future__ import annotations\n\n{code}", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    shop = import_module("shop_of_the_page")
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix, "WORKER_SCHEDULES": "false"}
    async with TestApp.start(shop.app, tmp_path, environ) as running:
        shelf = running.runtime.services[shop.Shelf]
        placed = await running.client().post("/api/orders", {"orderId": "o1"})
        await wait_until(lambda: getattr(shelf, "told", []) == ["o1"], "the customer was never told", within=15.0)

        done = await running.command("jobs:list", "--as", "system", "--state", "done", "--queue", "default")
        listeners = await running.command("listeners:list", "--as", "system")
    sys.modules.pop("shop_of_the_page")

    assert placed.status == 202
    assert placed.json["id"] in {job["id"] for job in done.result["jobs"]}, done.err
    assert [each["name"] for each in listeners.result["listeners"]] == ["customer:tell"]
