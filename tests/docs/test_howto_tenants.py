"""What the page about rows and tenants shows is run: its program starts, and each scope sees what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import Caller
from antiphon.services.database.revisions import make_revision
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from tests.docs.howto_stage import program_of

OURS, THEIRS, ADA, BEA, EVE = (f"00000000-0000-8000-8000-00000000000{number}" for number in range(1, 6))

pytestmark = pytest.mark.lasting_keys()


async def test_the_page_of_rows_and_tenants_works(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """A member sees their own tasks, a leader those of the tenant, the platform all; and each changes no others."""
    people = {
        name: Caller("user", user_id, tenant_id, frozenset({role}))
        for name, user_id, tenant_id, role in (
            ("ada", ADA, OURS, "member"),
            ("bea", BEA, OURS, "leader"),
            ("eve", EVE, THEIRS, "platform"),
        )
    }
    seen: dict[str, list[str]] = {}
    renamed: dict[str, int] = {}
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    with program_of("rows-and-tenants", tmp_path) as planner:
        (schema,) = (value for value in planner.app.values if hasattr(value, "migrations"))
        await make_revision(schema, "first tables")
        async with TestApp.start(planner.app, tmp_path, environ) as running:
            for name, caller in people.items():
                await running.call_as(caller, planner.add_task, f"of {name}")
            for name, caller in people.items():
                seen[name] = await running.call_as(caller, planner.list_tasks)
                renamed[name] = await running.call_as(caller, planner.rename_task, 3, "of eve")

    assert seen == {"ada": ["of ada"], "bea": ["of ada", "of bea"], "eve": ["of ada", "of bea", "of eve"]}
    assert renamed == {"ada": 0, "bea": 0, "eve": 1}
