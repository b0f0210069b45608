"""What identity promises against those who try: nothing is told, nothing is kept, and a flood harms nobody else."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from antiphon.modules.accounts.disabling import disable_user
from antiphon.testing.app import HttpAnswer
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from tests.modules.identity_people import COUNTED, FREE_GUESSES, ME
from tests.olympus_stage import PASSWORD, olympus_on
from tests.ranks import FAR, apart

DIFFERENT = {"requestId", "timestamp", "retryAfter"}

ROUNDS = 100
"""Each costs three hashes, which no setting makes cheaper: 300 samples take about ten seconds of one core."""


type Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> Start:
    """Begins an Olympus with these settings."""

    def node(settings: Mapping[str, str]) -> Any:
        return olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings={**COUNTED, **settings})

    return node


async def sign_in(connection: RawHttp, email: str, password: str) -> tuple[int, Any, list[tuple[str, str]], float]:
    """Try to sign in: status, what the body says, the headers, and the seconds it took."""
    body = json.dumps({"email": email, "password": password}).encode()
    headers = {"Host": "localhost", "Content-Type": "application/json"}
    began = perf_counter()
    answer = await connection.request("PUT", "/api/session", headers, body)
    took = perf_counter() - began
    error = {name: value for name, value in json.loads(answer.body)["error"].items() if name not in DIFFERENT}
    own = {"x-request-id", "date", "retry-after", "ratelimit"}
    return answer.status, error, [field for field in answer.headers if field[0] not in own], took


# Nothing is told


async def test_unknown_wrong_and_disabled_are_one_answer_in_one_time(start: Start) -> None:
    """The same bytes, and no time by which they could be told: 300 samples, interleaved, compared by their ranks."""
    async with start(FREE_GUESSES) as olympus:
        ada, ben = await olympus.person("Ada", signed_in=False), await olympus.person("Ben", signed_in=False)
        await olympus.running.call(disable_user, ben.id)
        kinds = {
            "unknown": ("nobody@example.com", PASSWORD),
            "wrong": (ada.email, "something else entirely"),
            "disabled": (ben.email, PASSWORD),
        }
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        told: list[Any] = []
        async with RawHttp.to("127.0.0.1", olympus.running.port) as connection:
            for shown in kinds.values():
                # What is opened at first use is no part of the comparison.
                await sign_in(connection, *shown)
            for _ in range(ROUNDS):
                for kind in random.sample([*kinds], 3):
                    *answer, took = await sign_in(connection, *kinds[kind])
                    told.append(answer)
                    times[kind].append(took)

    pairs = [("unknown", "wrong"), ("wrong", "disabled"), ("disabled", "unknown")]
    distances = {pair: apart(*(times[kind] for kind in pair)) for pair in pairs}
    assert told[0][0] == 401
    assert all(answer == told[0] for answer in told)
    assert {pair: distance for pair, distance in distances.items() if abs(distance) >= FAR} == {}


async def test_a_lockout_does_not_tell_names_that_exist_from_others(start: Start) -> None:
    """Refused by the same bytes, and in no time by which they could be told: 300 samples compared by their ranks."""
    async with start({**FREE_GUESSES, "LOCKOUT_FREE": "1"}) as olympus:
        ada = await olympus.person("Ada", signed_in=False)
        names = {"known": ada.email, "unknown": "nobody@example.com"}
        times: dict[str, list[float]] = {name: [] for name in names}
        told: list[Any] = []
        async with RawHttp.to("127.0.0.1", olympus.running.port) as connection:
            while min(map(len, times.values())) < 150:
                for name in random.sample([*names], 2):
                    status, *answer, took = await sign_in(connection, names[name], "something else entirely")
                    # A guess that is let through, as a door opens now and then, shuts it for twice as long.
                    if status == 429:
                        told.append(answer)
                        times[name].append(took)

    assert all(answer == told[0] for answer in told)
    assert abs(apart(times["known"], times["unknown"])) < FAR


async def test_a_wait_grows_and_then_lets_in(start: Start) -> None:
    """Each failure behind the free ones doubles it; afterwards the right password signs in."""
    async with start({"LOCKOUT_FIRST_TIME": "3s"}) as olympus:
        ada = await olympus.person("Ada", signed_in=False)
        client = olympus.client()

        async def guess(password: str) -> HttpAnswer:
            return await client.put("/api/session", {"email": ada.email, "password": password})

        began = 0.0

        async def fails() -> bool:
            nonlocal began
            began = perf_counter()
            return (await guess("something else entirely")).status == 401

        async def is_told(wait: int) -> bool:
            """Whether the right password is told to wait so long since the last failure, in whole seconds."""
            told = (await guess(PASSWORD)).error["retryAfter"]
            return wait - (perf_counter() - began) <= told <= wait

        async def enters() -> bool:
            return (await guess(PASSWORD)).status == 201

        for _ in range(6):
            assert await fails()
        assert await is_told(3)
        await wait_until(fails, "the door never opened", within=20.0)
        assert await is_told(6)
        await wait_until(enters, "the door never opened again", within=20.0)


# Nobody else is harmed


async def test_a_flood_of_hashes_is_refused_while_other_calls_go_on(start: Start) -> None:
    """What finds no place in line is 503 with a time to come back; whoever needs no hash notices nothing."""
    async with start({**FREE_GUESSES, "PASSWORD_THREADS": "1", "PASSWORD_WAITING": "4"}) as olympus:
        ada = await olympus.person("Ada")
        client = olympus.client()
        flood = [
            asyncio.create_task(client.put("/api/session", {"email": f"x{n}@example.com", "password": PASSWORD}))
            for n in range(60)
        ]
        others = [(await ada.client.get(ME)).status]
        while not all(task.done() for task in flood):
            others.append((await ada.client.get(ME)).status)
        answers = await asyncio.gather(*flood)

    refused = [answer for answer in answers if answer.status == 503]
    assert {answer.status for answer in answers} == {401, 503}
    assert {answer.header("retry-after") for answer in refused} == {"1"}
    assert {*others} == {200}
    assert len(others) > 1


# Nothing is kept


async def test_an_id_that_was_planted_is_never_signed_in(start: Start) -> None:
    """Neither a chosen one nor a live one of somebody else's: signing in gives another, and the planted one is dead."""
    async with start({}) as olympus:
        ada, eve = await olympus.person("Ada", signed_in=False), await olympus.person("Eve")
        (name, planted), *_ = eve.client.cookies.items()
        found: list[Any] = []
        for held in ("A" * 43, planted):
            ada.client.cookies = {name: held}
            await olympus.sign_in(ada)
            taken = ada.client.cookies[name]
            old = await olympus.client().get(ME, {"Cookie": f"{name}={held}"})
            found.append((taken != held, old.status, (await ada.client.get(ME)).json["user"]["id"]))

    assert found == [(True, 401, ada.id)] * 2


async def test_an_old_id_is_dead_at_once(start: Start) -> None:
    """After signing in again, and after signing out; the cookie is taken back."""
    async with start({}) as olympus:
        ada = await olympus.person("Ada")
        held = [ada.client.cookies.copy()]
        await olympus.sign_in(ada)
        held.append(ada.client.cookies.copy())
        left = await ada.client.delete("/api/session")
        answers: list[int] = []
        for cookies in held:
            client = olympus.client()
            client.cookies = cookies
            answers.append((await client.get(ME)).status)

    assert held[0] != held[1]
    assert "Max-Age=0" in (left.header("set-cookie") or "")
    assert (answers, ada.client.cookies) == ([401, 401], {})
