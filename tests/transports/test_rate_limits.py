"""Limits as callers meet them: the same on HTTP, WebSocket and the command line, each in its own terms."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from antiphon.core.limits import LimitState
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.transports.http.limits import limit_fields
from tests.transports.limited_actions import app, free, ticks

SLOW = {"LIMITS_SCALE": "1", "LIMITS_STORE_TIME": "5s"}
"""Limits as they are, and a store that may take as long as a busy machine needs."""

PROBLEM = {"Accept": "application/problem+json"}


@pytest.fixture
async def limited(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The actions, under limits that are nobody else's."""
    environ = {**SLOW, "REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ) as opened:
        yield opened


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[TestApp]:
    """The same, and the store has gone."""
    async with ValkeyServer(persistent=False) as server:
        environ = {"LIMITS_SCALE": "1", "REDIS_URL": server.url, "REDIS_PREFIX": "t"}
        async with TestApp.start(app, tmp_path, environ) as opened:
            await server.kill()
            yield opened


async def said(limited: TestApp, *frames: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to these frames on a socket of their own."""
    async with connect(f"ws://127.0.0.1:{limited.port}/ws") as socket:
        await socket.recv()
        answers: list[dict[str, Any]] = []
        for frame in frames:
            await socket.send(json.dumps(frame))
            answers.append(json.loads(await socket.recv()))
        return answers


# HTTP


async def test_a_call_over_its_limit_is_429(limited: TestApp) -> None:
    """With the error object, and the time to wait in it and in the header."""
    client = limited.client()
    statuses = [(await client.get("/api/three")).status for _ in range(3)]

    refused = await client.get("/api/three")

    assert (statuses, refused.status) == ([200] * 3, 429)
    assert refused.error["type"] == "TOO_MANY_CALLS"
    assert refused.header("retry-after") == str(refused.error["retryAfter"])
    assert 3600 <= refused.error["retryAfter"] <= 3960


async def test_answers_carry_the_limit(limited: TestApp) -> None:
    """Every answer says the policy, what remains of it and when there is more."""
    answer = await limited.client().get("/api/three")

    assert answer.header("ratelimit-policy") == '"limited:three";q=3;w=3600'
    assert (answer.header("ratelimit") or "").startswith('"limited:three";r=2;t=')


async def test_every_policy_is_named_and_the_tightest_is_told(limited: TestApp) -> None:
    """An action under several limits names them all, and says how the one with the least is."""
    answer = await limited.client().get("/api/two-kinds")

    assert answer.header("ratelimit-policy") == '"anonymous";q=120;w=60, "limited:two-kinds";q=2;w=3600'
    assert answer.header("ratelimit") == '"limited:two-kinds";r=0;t=1800'


async def test_a_refusal_carries_the_limit(limited: TestApp) -> None:
    """The fields are on a 429 as well."""
    client = limited.client()
    for _ in range(3):
        await client.get("/api/three")

    refused = await client.get("/api/three")

    assert refused.header("ratelimit-policy") == '"limited:three";q=3;w=3600'
    assert (refused.header("ratelimit") or "").startswith('"limited:three";r=0;t=')


async def test_a_refusal_as_problem_details(limited: TestApp) -> None:
    """The type is the registered one of an exceeded quota, and the policies without room are named."""
    client = limited.client()
    await client.put("/api/one", {"number": 1})

    refused = await client.put("/api/one", {"number": 1}, headers=PROBLEM)

    assert refused.json["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert refused.json["violated-policies"] == ["limited:one"]
    assert refused.json["retryAfter"] > 0


async def test_limits_come_before_inputs(limited: TestApp) -> None:
    """A caller over the limit learns nothing about what it sent, and what it sends wrong is charged."""
    client = limited.client()
    assert (await client.put("/api/one", {"number": "x"})).status == 422

    assert (await client.put("/api/one", {"number": "x"})).status == 429


FORGED = [
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-For": "203.0.113.8, 203.0.113.9"},
    {"Forwarded": 'for="[2001:db8::7]"'},
    {"X-Real-IP": "203.0.113.10", "X-Forwarded-For": "2001:db8:1::1"},
]


async def test_forged_addresses_share_one_limit(limited: TestApp) -> None:
    """Without a trusted proxy a client is counted under the address it came from, whatever it says of itself."""
    client = limited.client()

    statuses = [(await client.get("/api/three", headers=headers)).status for headers in FORGED]

    assert statuses == [200, 200, 200, 429]


async def test_the_defaults_hold_for_an_address(limited: TestApp) -> None:
    """120 calls a minute of whoever is not known, all actions together: the ones without a limit of their own too."""
    client = limited.client()
    first = await client.get("/api/two-kinds")
    assert '"anonymous";q=120;w=60' in (first.header("ratelimit-policy") or "")

    second = await client.get("/api/strict")

    assert '"anonymous";q=120;w=60' in (second.header("ratelimit-policy") or "")
    assert second.status == 200


async def test_an_action_without_limits_has_no_fields(limited: TestApp) -> None:
    """`limit(None)` switches the defaults off, and the action is answered at once again."""
    answer = await limited.client().get("/api/free")

    assert (answer.status, answer.header("ratelimit-policy"), answer.header("ratelimit")) == (200, None, None)
    assert limited.runtime.runner(free.name).instant


async def test_switched_off_nothing_is_limited(tmp_path: Path) -> None:
    """For measurements: no gate, no fields, and no call is refused."""
    async with TestApp.start(app, tmp_path, {"LIMITS_ENABLED": "false"}) as opened:
        client = opened.client()
        answers = [await client.get("/api/three") for _ in range(5)]

        assert [(answer.status, answer.header("ratelimit")) for answer in answers] == [(200, None)] * 5


async def test_streams_are_limited_before_they_begin(limited: TestApp) -> None:
    """A stream over its limit is an ordinary 429, and one within it carries the fields."""
    client = limited.client()
    answers = [await client.get("/api/ticks") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[0].header("ratelimit") or "").startswith('"limited:ticks";r=1;')


async def test_a_look_at_a_stream_is_charged_like_it(limited: TestApp) -> None:
    """HEAD is refused where GET would be."""
    client = limited.client()
    answers = [await client.request("HEAD", "/api/ticks") for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]


async def test_refused_calls_are_counted(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """An address that asks again and again for what it may not have is told to wait; other actions still answer."""
    environ = {**SLOW, "LIMITS_REFUSALS": "3", "REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ) as opened:
        client = opened.client()
        statuses = [(await client.get("/api/closed")).status for _ in range(4)]

        assert statuses == [401, 401, 401, 429]
        assert (await client.get("/api/three")).status == 200


async def test_without_the_store_calls_are_limited(away: TestApp) -> None:
    """The process counts by itself, with the same numbers and the same fields."""
    client = away.client()
    answers = [await client.get("/api/three") for _ in range(4)]

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].header("ratelimit-policy") == '"limited:three";q=3;w=3600'


async def test_without_the_store_a_strict_limit_is_503(away: TestApp) -> None:
    """With the time to come back, and as a problem of the registered type for reduced capacity."""
    refused = await away.client().get("/api/strict", headers=PROBLEM)

    assert (refused.status, refused.header("retry-after")) == (503, "1")
    assert refused.json["type"] == "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"


def test_names_are_strings_of_structured_fields() -> None:
    """What a string of RFC 9651 cannot hold is replaced, and its two special characters are escaped."""
    fields = dict(limit_fields([LimitState('a"\\é', 3, 0.2, 1, 0.1)]))

    assert fields == {b"ratelimit-policy": b'"a\\"\\\\?";q=3;w=1', b"ratelimit": b'"a\\"\\\\?";r=1;t=1'}


# What describes them


async def test_the_document_says_429_of_what_is_limited(limited: TestApp) -> None:
    """OpenAPI lists 429 for every action under a limit, and for no other."""
    document = (await limited.client().get("/docs/openapi.json")).json

    listed = {
        path: "429" in methods["get"]["responses"] for path, methods in document["paths"].items() if "get" in methods
    }

    assert listed == {
        "/api/three": True,
        "/api/two-kinds": True,
        "/api/strict": True,
        "/api/free": False,
        "/api/closed": True,
        "/api/ticks": True,
    }


# WebSocket


async def test_a_frame_over_its_limit_is_told_when_to_come_back(limited: TestApp) -> None:
    """The error frame has the type and `retryAfter`, and the socket goes on."""
    call: dict[str, Any] = {"action": "limited:three", "params": {}}
    answers = await said(limited, *({"id": number, **call} for number in range(1, 5)), {"id": 9, "ping": True})

    assert [answer.get("result") for answer in answers[:3]] == [3, 3, 3]
    assert answers[3]["error"]["type"] == "TOO_MANY_CALLS"
    assert 3600 <= answers[3]["error"]["retryAfter"] <= 3960
    assert answers[4]["id"] == 9


async def test_sockets_and_requests_share_a_limit(limited: TestApp) -> None:
    """An address that has used up its calls over HTTP has none left on a socket."""
    client = limited.client()
    for _ in range(3):
        await client.get("/api/three")

    answers = await said(limited, {"id": 1, "action": "limited:three", "params": {}})

    assert answers[0]["error"]["type"] == "TOO_MANY_CALLS"


async def test_a_stream_on_a_socket_is_limited(limited: TestApp) -> None:
    """Its refusal is an error frame instead of a first item."""
    client = limited.client()
    for _ in range(2):
        await client.get("/api/ticks")

    answers = await said(limited, {"id": 1, "action": ticks.name, "params": {}})

    assert answers[0]["error"]["type"] == "TOO_MANY_CALLS"


# The command line


async def test_a_command_over_its_limit_ends_with_7(limited: TestApp) -> None:
    """Limits hold for commands, all of which are one address; the error says when to come back."""
    codes = [(await limited.command("limited:three")).code for _ in range(3)]

    refused = await limited.command("limited:three", "--output", "json")

    assert (codes, refused.code) == ([0, 0, 0], 7)
    assert refused.error["retryAfter"] >= 3600


async def test_the_system_is_not_limited(limited: TestApp) -> None:
    """An operator who acts as the system is under no limit of callers."""
    codes = [(await limited.command("limited:one", "--number", "1", "--as", "system")).code for _ in range(3)]

    assert codes == [0, 0, 0]
