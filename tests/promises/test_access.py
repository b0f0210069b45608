"""Who may do what, on every transport: the whole of the checked-in table, and no action beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.modules.accounts.tenants import create_tenant
from antiphon.testing.engines import ValkeyServer
from olympus.app import app
from tests.olympus_stage import Olympus, Person, olympus_on
from tests.promises.access_matrix import (
    IDS,
    OWNERS,
    ROLES,
    Objects,
    Row,
    ask,
    carried_by,
    knock,
    object_of,
    read_table,
)
from tests.promises.voices import VOICES, Voice

BY_ROLE, OBJECTS = read_table()
ACTIONS = {action.name: action for action in app.gathered().actions}


@pytest.fixture
async def quiet_olympus(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus without limits, which are others' tests."""
    settings = {"LIMITS_ENABLED": "false"}
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=settings) as running:
        yield running


async def stand_in(olympus: Olympus, role: str, name: str) -> Person | None:
    """Somebody with this role; None is a stranger."""
    if role == "anonymous":
        return None
    return await (olympus.person(name) if role == "user" else olympus.holder(role, name))


def test_every_action_stands_in_the_table() -> None:
    """An action that is missing from the table, or one that is gone, fails here."""
    for name in sorted(ACTIONS.keys() - BY_ROLE.keys()):
        allow = ACTIONS[name].trait(Allow)
        pytest.fail(f"{name} ({allow and allow.summary}) is missing from tests/promises/access_table.txt.")

    assert sorted(BY_ROLE.keys() - ACTIONS.keys()) == []


def test_every_action_on_an_object_stands_in_the_second_part() -> None:
    """Whatever names an object has a line that says what is found by whom."""
    naming = {name for name, action in ACTIONS.items() if object_of(action) is not None}

    assert naming == {row.action for row in OBJECTS}


@pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("transport", VOICES)
async def test_each_role_is_let_in_where_the_table_says(quiet_olympus: Olympus, transport: str, role: str) -> None:
    """Every action, for every role, on every transport."""
    voice = VOICES[transport](quiet_olympus)
    who = await stand_in(quiet_olympus, role, "Ada")
    found: dict[str, str] = {}
    for name, action in ACTIONS.items():
        if carried_by(voice, action):
            found[name] = await knock(voice, who, action)
            if who is not None and name.startswith(("session:", "sessions:revoke")):
                await quiet_olympus.sign_in(who)

    assert found == {name: BY_ROLE[name][role] for name in found}


@pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
@pytest.mark.parametrize("row", OBJECTS, ids=lambda row: f"{row.action}-{row.role}")
async def test_each_object_is_found_by_whom_the_table_says(quiet_olympus: Olympus, row: Row) -> None:
    """Every action on an object, on every transport: one's own, one of the same tenant, one of another."""
    action = ACTIONS[row.action]
    found: dict[str, dict[str, str]] = {}
    for transport in VOICES:
        voice = VOICES[transport](quiet_olympus)
        if carried_by(voice, action):
            people = await three(quiet_olympus, row.role, transport)
            found[transport] = await asked(voice, action, people, Objects(quiet_olympus, people))

    assert found == dict.fromkeys(found, row.expected)


async def three(olympus: Olympus, role: str, name: str) -> dict[str, Person]:
    """The caller, somebody of the same tenant, and somebody of another."""
    caller = await stand_in(olympus, role, f"Ada {name}")
    assert caller is not None
    foreign = await olympus.person(f"Eve {name}")
    await olympus.move(foreign, (await olympus.running.call(create_tenant, f"for-{name}")).id)
    return {"own": caller, "tenant": await olympus.person(f"Bea {name}"), "foreign": foreign}


async def asked(voice: Voice, action: AnyAction, people: dict[str, Person], objects: Objects) -> dict[str, str]:
    """What becomes of a call on the object of each of them."""
    by, taken = object_of(action), {field.name for field in action.schema.fields}
    assert by is not None
    found: dict[str, str] = {}
    # One's own last: some of these calls end what the caller calls with.
    for whose in reversed(OWNERS):
        others = {"role": "staff", "tenant_id": people[whose].tenant_id}
        inputs = {name: value for name, value in others.items() if name in taken}
        inputs[by] = await objects.make(IDS[by], whose)
        found[whose] = await ask(voice, people["own"], action, inputs)
    return {whose: found[whose] for whose in OWNERS}
