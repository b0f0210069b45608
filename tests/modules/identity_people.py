"""People with tokens: what the tests of sign-ins, tokens and API keys share."""

from __future__ import annotations

from typing import Any

from antiphon.testing.app import HttpAnswer, HttpClient
from tests.olympus_stage import PASSWORD, Olympus, Person

ME = "/api/me"
REFRESH = "/api/session/refresh"

COUNTED = {"LIMITS_STORE_TIME": "5s"}
"""A machine that is busy must not begin to count by itself."""

FREE_GUESSES = {**COUNTED, "LOCKOUT_FREE": "1000", "LOCKOUT_ACCOUNT": "1000", "LOCKOUT_ADDRESS": "1000"}
"""The same for whoever measures, and has to guess often."""


def bearer(token: str, **more: str) -> dict[str, str]:
    """The headers of a call with a token."""
    return {"Authorization": f"Bearer {token}", **more}


async def with_tokens(olympus: Olympus, person: Person, *, agent: str = "") -> dict[str, Any]:
    """Sign in for tokens, from a client of its own; the answer's `tokens`."""
    body = {"email": person.email, "password": PASSWORD, "tokens": True}
    answer = await olympus.client().put("/api/session", body, {"User-Agent": agent} if agent else None)
    assert answer.status == 201, answer.body
    return answer.json["tokens"]


async def refreshed(olympus: Olympus, refresh_token: str, *, agent: str = "") -> HttpAnswer:
    """Refresh."""
    headers = {"User-Agent": agent} if agent else None
    return await olympus.client().post(REFRESH, {"refreshToken": refresh_token}, headers)


async def status_of(olympus: Olympus, token: str, path: str = ME) -> int:
    """How a call with a token is answered."""
    return (await olympus.client().get(path, bearer(token))).status


async def me(client: HttpClient, token: str = "") -> dict[str, Any]:
    """What `user:me` says."""
    answer = await client.get(ME, bearer(token) if token else None)
    assert answer.status == 200, answer.body
    return answer.json
