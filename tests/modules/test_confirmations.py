"""Addresses that are confirmed before they count: signing up tells nothing, and the mail says the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from sqlalchemy import select

from antiphon import Database
from antiphon.modules.accounts import DEFAULT_TENANT_ID, TakenEmailGiven
from antiphon.modules.accounts.devices_actions import purge_sessions
from antiphon.modules.accounts.tables_identity import email_confirmations
from antiphon.modules.accounts.users import Users
from antiphon.testing.app import HttpAnswer
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from tests.modules.audit_kinds import log
from tests.modules.identity_people import me
from tests.modules.mails_stage import ANOTHER_PASSWORD, confirmed, mailed, mails, sent, token_in
from tests.olympus_stage import PASSWORD, Olympus, Person, olympus_on
from tests.ranks import FAR, apart

CONFIRM = "/api/email/confirm"
EMAIL = "ada@example.com"
SETTINGS = {
    "ACCOUNTS_CONFIRM_EMAIL": "true",
    "LIMITS_SIGN_UP": "1000",
    "LIMITS_RESET": "1000",
    "LIMITS_STORE_TIME": "5s",
}
ROUNDS = 30
_OWN = {"x-request-id", "date", "ratelimit"}


@pytest.fixture
async def anywhere(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus that has addresses confirmed, once on SQLite and once on PostgreSQL."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=SETTINGS) as running:
        yield running


@pytest.fixture
async def confirming(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus that has addresses confirmed, on SQLite."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings=SETTINGS) as running:
        yield running


async def sign_up(olympus: Olympus, name: str = "Ada", email: str = EMAIL, password: str = PASSWORD) -> HttpAnswer:
    """Sign up, from a client of its own."""
    return await olympus.client().put("/api/user", {"name": name, "email": email, "password": password})


async def token_of(olympus: Olympus, number: int = 1) -> str:
    """The token of this mail, counted from one."""
    return token_in(olympus, (await sent(olympus, number))[number - 1]).reveal()


async def confirm(olympus: Olympus, token: str, password: str = PASSWORD, **more: str) -> HttpAnswer:
    """Confirm an address."""
    return await olympus.client().post(CONFIRM, {"token": token, "password": password, **more})


async def person(olympus: Olympus, name: str = "Ada", number: int = 1) -> Person:
    """Somebody who has signed up, confirmed their address and signed in; `number` is that of their mail."""
    email = f"{name.lower()}@example.com"
    await sign_up(olympus, name, email)
    assert (await confirm(olympus, await token_of(olympus, number))).status == 204
    made = Person(name, email, (await mails(olympus))[number - 1].user_id, olympus.client())
    await olympus.sign_in(made)
    return made


async def signs_in(olympus: Olympus, email: str = EMAIL, password: str = PASSWORD) -> int:
    """How signing in is answered."""
    return (await olympus.client().put("/api/session", {"email": email, "password": password})).status


def seen(answer: HttpAnswer) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All of an answer that does not differ for every request."""
    return answer.status, answer.body, sorted(field for field in answer.raw.headers if field[0] not in _OWN)


# Signing up


async def test_signing_up_always_answers_the_same(anywhere: Olympus) -> None:
    """By the same bytes, whether the address is free, waits, or is somebody's, in whatever case; the mail differs."""
    ada = await person(anywhere)

    answers = [
        await sign_up(anywhere, "Ada", email) for email in ("new@example.com", "new@example.com", "ADA@example.com")
    ]
    answers.append(await sign_up(anywhere, "Somebody", EMAIL, ANOTHER_PASSWORD))
    _, *later = await sent(anywhere, 5)

    assert (answers[0].status, answers[0].body) == (202, b"")
    assert [seen(answer) for answer in answers] == [seen(answers[0])] * 4
    assert [each.email for each in later] == ["new@example.com", "new@example.com", EMAIL, EMAIL]
    assert later[2:] == [TakenEmailGiven(ada.id, EMAIL, "sign-up")] * 2
    assert await signs_in(anywhere, password=ANOTHER_PASSWORD) == 401


async def test_signing_up_takes_the_same_time_for_a_taken_address(confirming: Olympus) -> None:
    """Samples of a free address and of a taken one, interleaved, are not told apart by their ranks."""
    await person(confirming)
    times: dict[bool, list[float]] = {True: [], False: []}
    client = confirming.client()
    for number in range(ROUNDS + 1):
        for taken in random.sample([True, False], 2):
            email = EMAIL if taken else f"number-{number}@example.com"
            began = perf_counter()
            answer = await client.put("/api/user", {"name": "Somebody", "email": email, "password": PASSWORD})
            if number:  # what is opened at first use is no part of the comparison
                times[taken].append(perf_counter() - began)
            assert answer.status == 202

    assert abs(apart(times[True], times[False])) < FAR


@pytest.mark.parametrize("email", [EMAIL, "free@example.com"])
async def test_a_weak_password_is_named_whatever_the_address(confirming: Olympus, email: str) -> None:
    """It is refused before anybody looks who has the address."""
    await person(confirming)

    answer = await sign_up(confirming, "Eve", email, "password1")

    assert (answer.status, [each["name"] for each in answer.error["fields"]]) == (422, ["password"])


async def test_two_who_sign_up_with_one_address_at_once_are_both_answered(anywhere: Olympus) -> None:
    """Each waits with a password and a token of its own; the first that is confirmed ends the others."""
    passwords = {
        name: f"{number} lanterns over still water" for number, name in enumerate(("Ada", "Eve", "Ben", "Kim"))
    }

    answers = await asyncio.gather(*(sign_up(anywhere, name, EMAIL, each) for name, each in passwords.items()))

    assert [answer.status for answer in answers] == [202] * 4
    tokens = {mail.user_id: token_in(anywhere, mail).reveal() for mail in await sent(anywhere, 4)}
    kept = await waiting(anywhere)
    answers = await asyncio.gather(*(confirm(anywhere, tokens[row.user_id], passwords[row.name]) for row in kept))
    assert sorted(answer.status for answer in answers) == [204, 403, 403, 403]
    assert await waiting(anywhere) == []


async def waiting(olympus: Olympus) -> list[Any]:
    """The rows of addresses that wait."""
    async with olympus.running.runtime.require(Database, "the test").transaction() as work:
        return [*(await work.execute(select(email_confirmations))).all()]


async def test_who_waits_signs_in_like_nobody(anywhere: Olympus) -> None:
    """The right password of an address that waits is answered as that of an unknown one; nothing is kept in clear."""
    await sign_up(anywhere)
    token = await token_of(anywhere)
    client = anywhere.client()

    answers = [
        await client.put("/api/session", {"email": email, "password": PASSWORD}) for email in (EMAIL, "no@example.com")
    ]

    own = {"requestId", "timestamp"}
    errors = [{name: value for name, value in answer.error.items() if name not in own} for answer in answers]
    assert [answer.status for answer in answers] == [401, 401]
    assert errors[0] == errors[1]
    kept = repr((await waiting(anywhere), await mails(anywhere)))
    assert token not in kept
    assert PASSWORD not in kept


# Confirming


async def test_token_and_password_make_the_account_once(anywhere: Olympus) -> None:
    """Nobody is signed in by it; they sign in then, and the token is of no use again."""
    await sign_up(anywhere, "Ada Lovelace", "ADA@example.com")
    token = await token_of(anywhere)

    answers = [await confirm(anywhere, token) for _ in range(2)]

    ada = Person("Ada Lovelace", EMAIL, "", anywhere.client())
    await anywhere.sign_in(ada)
    shown = await me(ada.client)
    assert [answer.status for answer in answers] == [204, 403]
    assert not answers[0].header("set-cookie")
    assert (shown["user"]["name"], shown["user"]["email"]) == ("Ada Lovelace", EMAIL)
    assert shown["user"]["id"] == (await mails(anywhere))[0].user_id
    assert await waiting(anywhere) == []


async def test_a_password_counts_only_with_its_own_token(anywhere: Olympus) -> None:
    """A stranger who signs up with one's address gets nothing, though one follows the link, and holds nobody off."""
    await sign_up(anywhere)
    first = await token_of(anywhere)
    await sign_up(anywhere, "Eve", EMAIL, ANOTHER_PASSWORD)
    second = await token_of(anywhere, 2)

    refused = [(await confirm(anywhere, *each)).status for each in [(first, ANOTHER_PASSWORD), (second, PASSWORD)]]
    nobody = [await signs_in(anywhere, password=each) for each in (PASSWORD, ANOTHER_PASSWORD)]

    assert (refused, nobody) == ([403] * 2, [401] * 2)
    assert (await confirm(anywhere, first)).status == 204
    assert (await confirm(anywhere, second, ANOTHER_PASSWORD)).status == 403
    assert [await signs_in(anywhere, password=each) for each in (PASSWORD, ANOTHER_PASSWORD)] == [201, 401]


async def test_a_wrong_token_and_a_wrong_password_are_one_answer(confirming: Olympus) -> None:
    """Guessing at either counts, and after a few guesses the right ones wait as well."""
    await sign_up(confirming)
    token = await token_of(confirming)

    answers = [await confirm(confirming, *each) for each in ((token, ANOTHER_PASSWORD), ("x" * 43, PASSWORD))]
    answers += [await confirm(confirming, f"number {number}") for number in range(4)]

    assert [answer.status for answer in answers] == [403] * 6
    assert len({answer.error["message"] for answer in answers}) == 1
    assert (await confirm(confirming, token)).status == 429


async def test_a_name_that_is_taken_by_then_may_be_another(anywhere: Olympus) -> None:
    """It is a conflict that names it, and the same token takes a different one."""
    await person(anywhere)
    await sign_up(anywhere, "Ada", "another@example.com")
    token = await token_of(anywhere, 2)

    taken = await confirm(anywhere, token)
    mended = await confirm(anywhere, token, name="Ada the Other")

    assert (taken.status, [each["name"] for each in taken.error["fields"]]) == (409, ["name"])
    assert mended.status == 204
    assert await signs_in(anywhere, "another@example.com") == 201


async def test_an_address_that_is_taken_by_then_is_refused(anywhere: Olympus) -> None:
    """As a token that is of no use: the answer does not tell why."""
    await sign_up(anywhere)
    token = await token_of(anywhere)
    async with anywhere.running.runtime.require(Database, "the test").transaction(write=True) as work:
        at = StandingClock().now()
        users = Users(work.unscoped("the test is quicker"), at)
        await users.add("01890000-0000-7000-8000-00000000000a", DEFAULT_TENANT_ID, "Eve", EMAIL, "")

    assert (await confirm(anywhere, token)).status == 403


async def test_a_token_is_good_for_a_day_and_then_purged(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """The hourly purge takes what nobody can confirm any more, and leaves what waits."""
    clock = StandingClock()
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, clock=clock, settings=SETTINGS) as olympus:
        await sign_up(olympus)
        (mail,) = await sent(olympus, clock=clock)
        clock.move(timedelta(hours=12))
        await sign_up(olympus, "Eve", "eve@example.com")
        clock.move(timedelta(hours=12))
        late = await confirm(olympus, token_in(olympus, mail).reveal())
        await olympus.running.call(purge_sessions)

        assert late.status == 403
        assert [row.email for row in await waiting(olympus)] == ["eve@example.com"]


# A new email


async def test_a_new_email_counts_once_it_is_confirmed(anywhere: Olympus) -> None:
    """Until then the one before signs in; what is confirmed is told with the password of the account."""
    ada = await person(anywhere)
    change = {"email": "New@example.com", "currentPassword": PASSWORD}

    answer = await ada.client.post("/api/user", change)
    token = await token_of(anywhere, 2)
    before = [await signs_in(anywhere, email) for email in (EMAIL, "new@example.com")]
    statuses = [(await confirm(anywhere, token, each)).status for each in (ANOTHER_PASSWORD, PASSWORD)]

    assert (answer.status, answer.json["email"], before) == (200, EMAIL, [201, 401])
    assert (await mails(anywhere))[1].email == "new@example.com"
    assert statuses == [403, 204]
    assert [await signs_in(anywhere, email) for email in (EMAIL, "new@example.com")] == [401, 201]
    assert (await me(ada.client))["user"]["id"] == ada.id


async def test_a_new_email_ends_a_reset_that_was_sent_to_the_one_before(anywhere: Olympus) -> None:
    """Whoever reads mail there, and asked before, can no longer take the account over."""
    ada = await person(anywhere)
    reset = await mailed(anywhere, ada, 2)
    await ada.client.post("/api/user", {"email": "new@example.com", "currentPassword": PASSWORD})

    changed = await confirm(anywhere, await token_of(anywhere, 3))

    assert changed.status == 204
    assert (await confirmed(anywhere, reset)).status == 403
    assert await signs_in(anywhere, "new@example.com") == 201


async def test_changing_an_account_has_a_limit_of_its_own(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Each new email is a mail to an address of somebody else: 60 changes an hour, and not one more."""
    settings = SETTINGS | {"LIMITS_SCALE": "1"}
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings=settings) as olympus:
        ada = await person(olympus)
        statuses = [(await ada.client.post("/api/user", {"name": f"Ada {number}"})).status for number in range(61)]

        assert statuses == [200] * 60 + [429]


async def test_a_new_email_that_is_taken_is_answered_alike(anywhere: Olympus) -> None:
    """Only whoever has it is told; of two new emails the later one waits."""
    ada, ben = await person(anywhere), await person(anywhere, "Ben", 2)

    answers = [
        await ben.client.post("/api/user", {"email": email, "currentPassword": PASSWORD})
        for email in ("free@example.com", EMAIL)
    ]
    told = await sent(anywhere, 4)

    assert seen(answers[0]) == seen(answers[1])
    assert told[3] == TakenEmailGiven(ada.id, EMAIL, "change")
    assert (await confirm(anywhere, await token_of(anywhere, 3))).status == 403


async def test_ones_own_email_asks_for_nothing(confirming: Olympus) -> None:
    """Nor does a new name or password: those count at once."""
    ada = await person(confirming)

    changes = {"email": "ADA@example.com", "name": "Ada Lovelace", "currentPassword": PASSWORD}
    answer = await ada.client.post("/api/user", changes)

    assert (answer.status, answer.json["name"], answer.json["email"]) == (200, "Ada Lovelace", EMAIL)
    assert await waiting(confirming) == []


# The record


async def test_each_step_is_recorded(anywhere: Olympus) -> None:
    """Signing up, again, confirming, and a token of no use; a row each, without an address in it."""
    ada = await person(anywhere)
    await sign_up(anywhere)
    await confirm(anywhere, "no token")

    rows = [row for row in await log(anywhere) if row.action in ("user:create", "email:confirm")]
    assert [(row.object, row.outcome) for row in rows if row.outcome != "unscoped"] == [
        (ada.id, "confirmation asked"),
        (ada.id, "email confirmed"),
        (ada.id, "signed up again"),
        ("", "refused"),
    ]
    assert EMAIL not in repr(rows)
