"""What the how-to pages show is run: their program starts, and does what the page says."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "jobs-and-events.md"

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


def imported(name: str, folder: Path) -> Any:
    """The module in this file of the folder, known by its name as if it stood on the path."""
    spec = spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_page_of_jobs_and_events_works(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """An order is packed by a worker, the customer is told, and the commands of the page show it."""
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "shop_of_the_page.py").write_text(f"from __future__ import annotations\n\n{code}", encoding="utf-8")
    shop = imported("shop_of_the_page", tmp_path)
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
