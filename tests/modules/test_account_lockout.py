"""Guessing passwords over HTTP: it costs time, and what is said tells nothing about accounts."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.testing.app import HttpAnswer, HttpClient
from tests.olympus_stage import PASSWORD, Olympus

SHOWN = ("content-type", "ratelimit-policy", "www-authenticate", "cache-control")


async def guess(client: HttpClient, email: str, password: str = "wrong") -> HttpAnswer:  # no password
    """Try to sign in."""
    return await client.put("/api/session", {"email": email, "password": password})


def seen(answer: HttpAnswer) -> tuple[int, Any, list[str | None]]:
    """What somebody who guesses sees of an answer, but for the wait and what differs for every request."""
    error = {name: answer.error[name] for name in answer.error if name not in ("requestId", "timestamp", "retryAfter")}
    return answer.status, error, [answer.header(name) for name in SHOWN]


async def test_guessing_on_is_429(olympus: Olympus) -> None:
    """After six wrong passwords nothing is looked at for a while, the right one neither."""
    ada = await olympus.person("Ada", signed_in=False)
    client = olympus.client()
    statuses = [(await guess(client, ada.email)).status for _ in range(6)]

    refused = await guess(client, ada.email, PASSWORD)

    assert statuses == [401] * 6
    assert (refused.status, refused.error["type"]) == (429, "TOO_MANY_CALLS")
    assert int(refused.header("retry-after") or "0") >= 1


async def test_a_name_that_nobody_has_is_locked_out_alike(olympus: Olympus) -> None:
    """Attempt by attempt the answers are the same for an account and for none."""
    ada = await olympus.person("Ada", signed_in=False)
    client = olympus.client()

    known = [seen(await guess(client, ada.email)) for _ in range(7)]
    unknown = [seen(await guess(client, "nobody@example.com")) for _ in range(7)]

    assert known == unknown
    assert known[-1][0] == 429


async def test_signing_in_forgets_what_went_wrong(olympus: Olympus) -> None:
    """Five wrong passwords and the right one are nothing."""
    ada = await olympus.person("Ada", signed_in=False)
    client = olympus.client()
    for _ in range(2):
        assert [(await guess(client, ada.email)).status for _ in range(5)] == [401] * 5
        assert (await guess(client, ada.email, PASSWORD)).status == 201


@pytest.mark.parametrize("right", [True, False], ids=["right", "wrong"])
async def test_the_current_password_is_no_way_around(olympus: Olympus, right: bool) -> None:  # drawn
    """Whoever has taken over a session cannot guess the password by changing it."""
    ada = await olympus.person("Ada")
    wrong = {"email": "other@example.com", "currentPassword": "wrong"}
    statuses = [(await ada.client.post("/api/user", wrong)).status for _ in range(6)]

    current = PASSWORD if right else "wrong"
    refused = await ada.client.post("/api/user", {"email": "other@example.com", "currentPassword": current})

    assert (statuses, refused.status) == ([403] * 6, 429)
