"""One Olympus for a whole file of the table's cells, and the people who ask: starting and signing up cost the most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

import pytest
import pytest_asyncio

from antiphon.modules.accounts.tenants import create_tenant
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.leftovers import lasting_keys
from tests.conftest import BOUNDED
from tests.database_templates import copy_of
from tests.olympus_stage import Olympus, Person, olympus_on


class Crowd:
    """One Olympus for all cells of the table, and the people who ask; each signs up once, when first needed."""

    def __init__(self, olympus: Olympus) -> None:
        self.olympus = olympus
        self._people: dict[str, Person | None] = {"anonymous": None}
        self._threes: dict[str, dict[str, Person]] = {}
        self._count = 0

    async def of_role(self, role: str) -> Person | None:
        """Somebody with this role; None is a stranger."""
        if role not in self._people:
            self._people[role] = await self._somebody(role, f"Ada the {role}")
        return self._people[role]

    async def three(self, role: str, *, fresh: bool) -> dict[str, Person]:
        """A caller with this role, somebody of the same tenant, and somebody of another; `fresh` are nobody else's."""
        if fresh or role not in self._threes:
            self._count += 1
            mark = f"{role} {self._count}"
            foreign = await self.olympus.person(f"Eve {mark}", signed_in=False)
            await self.olympus.move(foreign, (await self.olympus.running.call(create_tenant, f"for-{self._count}")).id)
            people = {
                "own": await self._somebody(role, f"Ada {mark}"),
                "tenant": await self.olympus.person(f"Bea {mark}"),
                "foreign": foreign,
            }
            if fresh:
                return people
            self._threes[role] = people
        return self._threes[role]

    async def _somebody(self, role: str, name: str) -> Person:
        return await (self.olympus.person(name) if role == "user" else self.olympus.holder(role, name))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer, olympus_sqlite: Path
) -> AsyncIterator[Crowd]:
    """Olympus without limits, which are others' tests."""
    folder, prefix = tmp_path_factory.mktemp("access"), f"test-{token_hex(6)}"
    url = copy_of(olympus_sqlite, folder)
    settings = {"LIMITS_ENABLED": "false", "WEBSOCKET_PER_USER": "1000"}
    async with olympus_on(folder, url, valkey.url, prefix, settings=settings) as running:
        yield Crowd(running)
    assert not await lasting_keys(valkey.url, prefix, allowed=BOUNDED)
