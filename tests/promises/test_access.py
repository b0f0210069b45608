"""Who may do what, on every transport: the whole of the checked-in table, and no action beside it."""

from __future__ import annotations

import asyncio

import pytest

from antiphon import Context, action, allow, signed_in
from antiphon.core.action import AnyAction
from tests.olympus_stage import Person
from tests.promises.access_crowd import Crowd
from tests.promises.access_matrix import ACTIONS, ROLES, carried_by, knock, missing, object_of, read_table
from tests.promises.voices import ALL_VOICES, Voice

BY_ROLE, OBJECTS = read_table()


def test_every_action_stands_in_the_table() -> None:
    """An action that is missing from the table, or one that is gone, fails here."""
    assert missing(ACTIONS, BY_ROLE) == []
    assert sorted(BY_ROLE.keys() - ACTIONS.keys()) == []


def test_a_new_action_is_missed() -> None:
    """One that nobody has written into the table is named, with who may call it and where to write it."""

    @action("planted:here", allow(signed_in))
    async def planted(ctx: Context) -> None:
        """Nothing."""

    said = missing({**ACTIONS, planted.name: planted}, BY_ROLE)

    assert said == ["planted:here (signed_in) is missing from tests/promises/access_table.txt."]


def test_every_action_on_an_object_stands_in_the_second_part() -> None:
    """Whatever names an object has a line that says what is found by whom."""
    naming = {name for name, action in ACTIONS.items() if object_of(action) is not None}

    assert naming == {row.action for row in OBJECTS}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("transport", ALL_VOICES)
async def test_each_role_is_let_in_where_the_table_says(crowd: Crowd, transport: str, role: str) -> None:
    """Every action, for every role, on every transport."""
    voice, who = ALL_VOICES[transport](crowd.olympus), await crowd.of_role(role)
    asked = {name: action for name, action in ACTIONS.items() if carried_by(voice, action)}
    if transport == "worker":
        # Jobs share no session, so none of them takes from another what it calls with.
        words = await asyncio.gather(*(knock(voice, who, action) for action in asked.values()))
        found = dict(zip(asked, words, strict=True))
    else:
        found = {name: await knock_on(crowd, voice, who, action) for name, action in asked.items()}

    assert found
    assert found == {name: BY_ROLE[name][role] for name in found}


async def knock_on(crowd: Crowd, voice: Voice, who: Person | None, action: AnyAction) -> str:
    """Knock once, and sign in again when that may have ended what the caller calls with."""
    word = await knock(voice, who, action)
    if who is not None and voice.name != "cli" and action.name.startswith(("session:", "sessions:revoke")):
        await crowd.olympus.sign_in(who)
    return word
