"""Passwords and what stands beside them: any kind and any age, no account from the start, refreshing that ends."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from antiphon import Database
from antiphon.modules.accounts.tables import users
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from tests.modules.identity_people import refreshed, with_tokens
from tests.olympus_stage import PASSWORD, Olympus, olympus_on

PASSWORDS = {
    "7 chars": 422,
    "8 chars!": 201,
    "quietlanternsoverwater": 201,
    "QUIETLANTERNSOVERWATER": 201,
    "93711 02846 55190 22837": 201,
    "четыре фонаря над водой": 201,
    "🌊🌊🌊🌊 🏮🏮🏮🏮": 201,
    "  spaces stay, at both ends  ": 201,
    "x1 y2 z3 " * 7 + "!": 201,
    "w" * 5 + " long " + "k9 " * 81 + "zz": 201,
    "w" * 257: 422,
}
"""Passwords, and how signing up with them is answered."""


@pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
async def test_a_password_has_8_to_256_characters(olympus: Olympus) -> None:
    """Nothing but its length counts, however it is composed; it signs in as it was sent, and in no other way."""
    for number, (password, status) in enumerate(PASSWORDS.items()):
        client, email = olympus.client(), f"person{number}@example.com"
        made = await client.put("/api/user", {"name": f"Person {number}", "email": email, "password": password})
        assert (password, made.status) == (password, status)
        if status == 201:
            signed = await client.put("/api/session", {"email": email, "password": password})
            assert (password, signed.status) == (password, 201)

    assert (
        await olympus.client().put(
            "/api/session", {"email": "person7@example.com", "password": "spaces stay, at both ends"}
        )
    ).status == 401


async def test_nobody_can_sign_in_to_a_new_application(olympus: Olympus) -> None:
    """A new Olympus has one account, its own name, which has no password and no role; the first admin is made."""
    database = olympus.running.runtime.require(Database, "the test")
    async with database.transaction() as work:
        rows = (await work.unscoped("a test").execute(select(users))).all()

    answers = [
        await olympus.client().put("/api/session", {"email": email, "password": password})
        for email in ("admin@example.com", "root@example.com", rows[0].email)
        for password in ("password", "olympus-olympus", "changeme-changeme")
    ]

    assert [(row.name, row.password_hash) for row in rows] == [("Olympus", "")]
    assert {answer.status for answer in answers} <= {401, 422, 429}


@pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
async def test_nothing_asks_for_hints(olympus: Olympus) -> None:
    """No action takes a hint, a question or its answer."""
    actions = olympus.running.runtime.actions.values()
    inputs = {field.name for action in actions for field in action.schema.fields}

    assert not {name for name in inputs if re.search("hint|question|answer|birth|maiden", name)}


@pytest.fixture
def clock() -> StandingClock:
    """A clock that the test moves."""
    return StandingClock()


@pytest.fixture
async def standing(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str, clock: StandingClock
) -> AsyncIterator[Olympus]:
    """Olympus on that clock."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, clock=clock) as running:
        yield running


async def test_a_password_does_not_age(standing: Olympus, clock: StandingClock) -> None:
    """After four hundred days it signs in, and nothing asks for another."""
    ada = await standing.person("Ada", signed_in=False)
    clock.move(timedelta(days=400))

    answer = await standing.client().put("/api/session", {"email": ada.email, "password": PASSWORD})

    assert answer.status == 201


async def test_refreshing_ends_after_thirty_days(standing: Olympus, clock: StandingClock) -> None:
    """However often it is done: a refresh token waits fourteen days at most, and its family ends with the thirtieth."""
    token = (await with_tokens(standing, await standing.person("Ada", signed_in=False)))["refreshToken"]
    other = (await with_tokens(standing, await standing.person("Bea", signed_in=False)))["refreshToken"]
    found: list[int] = []
    for days in (13, 13, 5):
        clock.move(timedelta(days=days))
        answer = await refreshed(standing, token)
        found.append(answer.status)
        token = answer.json.get("refreshToken", token)
    idle = await refreshed(standing, other)

    assert found == [200, 200, 401]
    assert idle.status == 401
