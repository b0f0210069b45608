"""Whose objects are found by whom, on every transport; and that a job has the rights of the moment at which it runs."""

from __future__ import annotations

import pytest

from antiphon import Queues
from antiphon.core.action import AnyAction
from antiphon.modules.accounts.roles import grant_role, revoke_role
from tests.olympus_stage import Person
from tests.promises.access_crowd import Crowd
from tests.promises.access_matrix import (
    ACTIONS,
    IDS,
    OWNERS,
    Objects,
    Row,
    ask,
    carried_by,
    needs_own_people,
    object_of,
    read_table,
)
from tests.promises.background import Background
from tests.promises.voices import ALL_VOICES, Voice

_, OBJECTS = read_table()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", OBJECTS, ids=lambda row: f"{row.action}-{row.role}")
async def test_each_object_is_found_by_whom_the_table_says(crowd: Crowd, row: Row) -> None:
    """Every action on an object, on every transport: one's own, one of the same tenant, one of another."""
    action, by = ACTIONS[row.action], object_of(ACTIONS[row.action])
    assert by is not None
    found: dict[str, dict[str, str]] = {}
    for transport, make in ALL_VOICES.items():
        voice = make(crowd.olympus)
        if carried_by(voice, action):
            people = await crowd.three(row.role, fresh=needs_own_people(action, IDS[by]))
            found[transport] = await asked(voice, action, people, Objects(crowd.olympus, people))

    assert "direct" in found
    assert found == dict.fromkeys(found, row.expected)


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


# Rights that change while a job waits


@pytest.mark.asyncio(loop_scope="module")
async def test_a_job_has_the_rights_that_its_caller_has_now(crowd: Crowd) -> None:
    """A role that is granted while a job waits lets it in, and one that is revoked keeps it out."""
    background, call = Background(crowd.olympus), crowd.olympus.running.call
    queues = crowd.olympus.running.runtime.require(Queues, "the test")
    promoted, demoted = await crowd.olympus.person("Iris"), await crowd.olympus.holder("admin", "Ares")
    await queues.pause("rights")
    jobs = [await background.put(who, "messages:hello", queue="rights") for who in (promoted, demoted)]

    await call(grant_role, promoted.id, "admin")
    await call(revoke_role, demoted.id, "admin")
    await queues.resume("rights")

    assert [(await background.end_of(job)).error for job in jobs] == [None, "FORBIDDEN"]
