"""Races: whatever may be used once is used once, though fifty callers show it at the same moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from antiphon import Context, Job, Module, action, allow, only, post, queue, signed_in, unique
from antiphon.testing.app import HOST
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.modules.identity_people import refreshed, with_tokens
from tests.modules.mails_stage import confirmed, mailed
from tests.olympus_stage import Olympus, olympus_on

CALLERS = 50


@dataclass
class Seen:
    """What the job of this file has done."""

    runs: list[int] = field(default_factory=list[int])


@action("race:run", only("worker"), queue("races"), unique("race:{number}", window="1m"), allow(signed_in))
async def run_race(ctx: Context, number: int) -> None:
    """Run, once for each number."""
    ctx.get(Seen).runs.append(number)


@action("race:start", post("/race", status=202), allow(signed_in))
async def start_race(ctx: Context, number: int) -> Job:
    """Have a race run later."""
    return await ctx.later(run_race, number=number)


@pytest.fixture
def seen() -> Seen:
    """What the jobs of a test have done."""
    return Seen()


@pytest.fixture
async def olympus(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str, seen: Seen
) -> AsyncIterator[Olympus]:
    """Olympus with races and without limits, which would turn most of the fifty away before they meet."""
    settings = {"LIMITS_ENABLED": "false"}
    module = Module(__name__)
    prepared = olympus_on(
        tmp_path, database_url, valkey.url, store_prefix, settings=settings, modules=[module], values=[seen]
    )
    async with prepared as running:
        yield running


async def opened(olympus: Olympus, ticket: str) -> int:
    """How a handshake with this ticket is answered."""
    try:
        async with connect(f"ws://{HOST}:{olympus.running.port}/ws?ticket={ticket}", proxy=None) as client:
            await client.recv()
    except InvalidStatus as refused:
        return refused.response.status_code
    return 101


async def test_a_ticket_opens_one_socket(olympus: Olympus) -> None:
    """Of fifty handshakes with one ticket one opens, and the others are a 401."""
    ada = await olympus.person("Ada")
    ticket = (await ada.client.post("/api/socket/ticket")).json["ticket"]

    answers = await asyncio.gather(*(opened(olympus, ticket) for _ in range(CALLERS)))

    assert Counter(answers) == {101: 1, 401: CALLERS - 1}


async def test_a_reset_token_sets_one_password(olympus: Olympus) -> None:
    """Of fifty who set a password with one token one does, and it is theirs that signs in."""
    ada = await olympus.person("Ada", signed_in=False)
    token = await mailed(olympus, ada)
    passwords = [f"a quiet harbour, number {n} of many" for n in range(CALLERS)]

    answers = await asyncio.gather(*(confirmed(olympus, token, password) for password in passwords))

    (winner,) = [password for answer, password in zip(answers, passwords, strict=True) if answer.status == 204]
    assert {answer.status for answer in answers} <= {204, 403, 429, 503}
    await olympus.sign_in(ada, password=winner)


async def test_a_refresh_token_has_one_successor(olympus: Olympus) -> None:
    """Fifty refreshes of one device with one token are given one and the same next token; never a second branch."""
    tokens = await with_tokens(olympus, await olympus.person("Ada", signed_in=False), agent="a device")

    answers = await asyncio.gather(
        *(refreshed(olympus, tokens["refreshToken"], agent="a device") for _ in range(CALLERS))
    )

    given = [answer.json for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} <= {200, 429, 503}
    assert len({each["refreshToken"] for each in given}) == 1


async def test_a_key_of_a_client_has_one_effect(olympus: Olympus) -> None:
    """Fifty posts under one `Idempotency-Key` post one message; whoever is answered is told the same."""
    ada = await olympus.person("Ada")
    headers = {"Idempotency-Key": "one-of-a-kind"}

    answers = await asyncio.gather(
        *(ada.client.put("/api/message", {"body": "hello"}, headers) for _ in range(CALLERS))
    )

    listed = (await ada.client.get("/api/messages/list")).json
    assert {answer.status for answer in answers} <= {201, 409}
    assert {answer.json["id"] for answer in answers if answer.status == 201} == {listed["messages"][0]["id"]}
    assert listed["pagination"]["total"] == 1


@pytest.mark.lasting_keys("{jobs.*", "{known}*")
async def test_a_unique_job_is_one_job(olympus: Olympus, seen: Seen) -> None:
    """Fifty calls that queue one unique job are told of the same one, and it runs once."""
    ada = await olympus.person("Ada")

    answers = await asyncio.gather(*(ada.client.post("/api/race", {"number": 7}) for _ in range(CALLERS)))
    await ada.client.post("/api/race", {"number": 8})
    await wait_until(lambda: 8 in seen.runs, "the job behind them never ran")

    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sorted(seen.runs) == [7, 8]
