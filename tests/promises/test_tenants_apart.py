"""Nothing of one tenant is reached by another, whatever they ask for and through whatever transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio

from antiphon import CallError, Id
from antiphon.core.action import AnyAction, Stream
from antiphon.services.database.fence import has_tenants
from antiphon.testing.engines import PostgresDatabases, ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.tables import metadata, schema
from tests.database_roles import as_owner, role, url_as
from tests.database_templates import copy_of, migrate
from tests.olympus_stage import Person, olympus_on
from tests.promises.access_matrix import ACTIONS, carried_by, object_of
from tests.promises.neighbours import Neighbours, inputs_for, is_tried, leaks, settle, texts_of
from tests.promises.outcome import Outcome
from tests.promises.voices import ALL_VOICES, Voice
from tests.services.channel_stage import Node, Screen

ROUNDS = {"http": 3, "websocket": 2, "cli": 1, "worker": 1, "direct": 4}
"""How often each action is tried, with other inputs each time."""


@asynccontextmanager
async def walled(server: PostgresDatabases, template: str) -> AsyncGenerator[dict[str, str]]:
    """A copy of Olympus's database with row security, for a role that no privilege lifts over it."""
    url = await server.create_database(template=template)
    try:
        await migrate(url, schema, row_security=True)
        async with role(url) as name:
            every = f"IN SCHEMA public TO {name}"
            await as_owner(url, f"GRANT ALL ON ALL TABLES {every}", f"GRANT ALL ON ALL SEQUENCES {every}")
            yield {
                "DATABASE_URL": url_as(url, name),
                "DATABASE_ROW_SECURITY": "true",
                "DATABASE_MIGRATE": "false",
            }
    finally:
        await server.drop_database(url)


@pytest.fixture(scope="module", params=["sqlite", "postgresql with row security"])
def walls(request: pytest.FixtureRequest) -> tuple[PostgresDatabases, str] | None:
    """The server that has the second wall, and its template; None is SQLite, which has none."""
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("postgres"), request.getfixturevalue("olympus_postgres")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def neighbours(
    tmp_path_factory: pytest.TempPathFactory,
    valkey: ValkeyServer,
    olympus_sqlite: Path,
    walls: tuple[PostgresDatabases, str] | None,
) -> AsyncIterator[Neighbours]:
    """Two tenants, once within the fence alone, and once with the second wall behind it."""
    folder, prefix = tmp_path_factory.mktemp("apart"), f"test-{token_hex(6)}"
    settings = {"LIMITS_ENABLED": "false"}
    if walls is None:
        url = copy_of(olympus_sqlite, folder)
        async with olympus_on(folder, url, valkey.url, prefix, settings=settings) as here:
            yield await settle(here)
        return
    async with walled(*walls) as database:
        url = database["DATABASE_URL"]
        async with olympus_on(folder, url, valkey.url, prefix, settings=settings | database) as here:
            yield await settle(here)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("transport", ALL_VOICES)
async def test_no_call_reaches_another_tenant(neighbours: Neighbours, transport: str) -> None:
    """Every action, given ids, cursors, topics and names of another tenant: nothing is told, and nothing changes."""
    voice, chance = ALL_VOICES[transport](neighbours.olympus), Random(transport)
    before = await neighbours.state()
    tried = [action for action in ACTIONS.values() if is_tried(action) and carried_by(voice, action)]
    if transport == "cli":
        # Each command is a start, so a few have to do: the transports share what comes after it.
        tried = chance.sample([action for action in tried if object_of(action) is not None], 5)
    if transport == "worker":
        # The voice takes an input of this name for itself; these are for admins, and tried over the others.
        tried = [action for action in tried if "queue" not in texts_of(action)]
    calls = [(each, inputs_for(each, neighbours, chance)) for each in tried for _ in range(ROUNDS[transport])]

    if transport == "worker":
        outcomes = await asyncio.gather(*(reach(voice, neighbours.ada, *call) for call in calls))
    else:
        outcomes = [await reach(voice, neighbours.ada, *call) for call in calls]

    told = [
        (action.name, given, found)
        for (action, given), outcome in zip(calls, outcomes, strict=True)
        if (found := leaks(neighbours, given, outcome))
    ]
    assert told == []
    assert await neighbours.state() == before
    assert "NOT_FOUND" in {outcome.error for outcome in outcomes}


async def reach(voice: Voice, who: Person, action: AnyAction, inputs: dict[str, Any]) -> Outcome:
    """What becomes of a call."""
    return await (voice.stream if isinstance(action, Stream) else voice.call)(who, action.name, **inputs)


@pytest.mark.asyncio(loop_scope="module")
async def test_topics_stay_within_the_tenant(neighbours: Neighbours) -> None:
    """A topic of the same name shows one's own tenant alone, and the topic of another's job is not there."""
    node = Node(neighbours.olympus.running.runtime)
    ours, theirs = Screen(node, neighbours.ada.caller), Screen(node, neighbours.eve.caller)
    await ours.watch("messages")
    await theirs.watch("messages")
    with pytest.raises(CallError) as refused:
        await ours.watch(f"job:{neighbours.things['job']}")

    made = [(await each.client.put("/api/message", {"body": "live"})).json for each in (neighbours.eve, neighbours.ada)]
    await wait_until(lambda: bool(ours.of("data") and theirs.of("data")), "nobody saw what was posted")

    assert refused.value.type == "NOT_FOUND"
    seen = [[each["message"]["id"] for each in screen.of("data") if "message" in each] for screen in (theirs, ours)]
    assert seen == [[made[0]["id"]], [made[1]["id"]]]
    for screen in (ours, theirs):
        screen.lose()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_cursor_of_another_tenant_is_none(neighbours: Neighbours) -> None:
    """Also for an admin, who may ask for the same list: it is an InvalidInput that names the input."""
    olympus = neighbours.olympus
    hera = await olympus.admin(f"Hera {token_hex(2)}")
    cursor = neighbours.cursors["jobs"]

    foreign = await hera.client.get(f"/api/jobs?queue=files&limit=1&cursor={cursor}")
    own = (await hera.client.get("/api/jobs?queue=files&limit=1")).json["cursor"]
    again = await hera.client.get(f"/api/jobs?queue=files&limit=1&cursor={own}")
    filtered = await hera.client.get(f"/api/jobs?queue=files&state=dead&cursor={own}")

    assert [foreign.status, again.status, filtered.status] == [422, 200, 422]
    assert [field["name"] for field in foreign.error["fields"]] == ["cursor"]


@pytest.mark.asyncio(loop_scope="module")
async def test_an_answer_that_is_kept_is_the_tenants_own(neighbours: Neighbours) -> None:
    """The same idempotency key with the same inputs is another call in another tenant."""
    key = {"Idempotency-Key": f"k-{token_hex(4)}"}
    theirs, ours = [
        (await person.client.request("PUT", "/api/message", {"body": "the same"}, headers=key)).json
        for person in (neighbours.eve, neighbours.ada)
    ]

    assert ours["id"] != theirs["id"]
    assert (theirs["userId"], ours["userId"]) == (neighbours.eve.id, neighbours.ada.id)


@pytest.mark.asyncio(loop_scope="module")
async def test_files_of_a_tenant_have_a_folder_of_their_own(neighbours: Neighbours) -> None:
    """The path of an upload begins with its tenant."""
    olympus = neighbours.olympus
    paths = [path.relative_to(olympus.files) for path in olympus.kept() if path.is_relative_to(olympus.files)]

    assert [path.parts[0] for path in paths if path.name == neighbours.things["file"]] == [neighbours.eve.tenant_id]


def test_what_belongs_to_somebody_belongs_to_a_tenant() -> None:
    """Each table with a user's rows has `tenant_id`, never null, or hangs on a row of one that has."""
    # Found by their digest alone, before anybody knows to whom they belong.
    secrets = {"password_resets", "email_confirmations"}
    for table in metadata.sorted_tables:
        owned = [column for column in table.c if column.name == "user_id" or column.info.get("owner")]
        if owned and table.name not in secrets:
            assert has_tenants(table), table.name
            assert isinstance(table.c.tenant_id.type, Id), table.name
            assert len([column for column in table.c if column.info.get("owner")]) == 1, table.name
