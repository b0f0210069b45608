"""`key` in a call frame: the first answer again, told as `replayed`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.transports.keyed_actions import Effects, app
from tests.transports.websocket_stage import talking


@pytest.fixture
async def keyed(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The actions, with a store."""
    async with TestApp.start(app, tmp_path, {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}) as opened:
        yield opened


def effects(keyed: TestApp) -> Effects:
    """What was done."""
    return keyed.runtime.require(Effects, "the test")


@pytest.mark.parametrize("action", ["keyed:add", "keyed:instant"])
async def test_a_repeat_is_given_the_first_result(keyed: TestApp, action: str) -> None:
    """With a word that it is one; also of an action that never waits, and also on another socket."""
    said = {"action": action, "params": {"text": "a"}, "key": "k"}
    async with talking(keyed.port) as talker, talking(keyed.port) as other:
        first, again, elsewhere = await talker.ask(**said), await talker.ask(**said), await other.ask(**said)

    assert "replayed" not in first
    assert (again["result"], again["replayed"]) == (first["result"], True)
    assert (elsewhere["result"], elsewhere["replayed"]) == (first["result"], True)
    assert effects(keyed).count == 1


async def test_a_final_error_is_repeated(keyed: TestApp) -> None:
    """With the same word."""
    said = {"action": "keyed:refused", "params": {"how": "conflict"}, "key": "k"}
    async with talking(keyed.port) as talker:
        first, again = await talker.ask(**said), await talker.ask(**said)

    assert (first["error"]["type"], "replayed" in first) == ("CONFLICT", False)
    assert (again["error"]["message"], again["replayed"]) == (first["error"]["message"], True)


async def test_other_inputs_and_a_running_call_are_refused(keyed: TestApp) -> None:
    """INVALID_INPUT and CONFLICT, under the id of the frame that asks."""
    async with talking(keyed.port) as talker:
        running = await talker.say(action="keyed:slow", params={"text": "a"}, key="k")
        await effects(keyed).begun(1)
        other = await talker.refusal(action="keyed:slow", params={"text": "b"}, key="k")
        same = await talker.refusal(action="keyed:slow", params={"text": "a"}, key="k")
        effects(keyed).gate.set()

        assert (other, same) == ("INVALID_INPUT", "CONFLICT")
        assert (await talker.answer(running))["result"]["id"] == 1


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_what_is_no_key_is_refused(keyed: TestApp, key: str) -> None:
    """Nothing is done."""
    async with talking(keyed.port) as talker:
        refusal = await talker.refusal(action="keyed:add", params={"text": "a"}, key=key)

    assert (refusal, effects(keyed).count) == ("INVALID_INPUT", 0)


async def test_fifty_at_once_have_one_effect(keyed: TestApp) -> None:
    """On as many sockets: one runs, and the others are a conflict until it has ended."""

    async def call() -> str:
        async with talking(keyed.port) as talker:
            answer = await talker.ask(action="keyed:slow", params={"text": "a"}, key="k")
            return "result" if "result" in answer else answer["error"]["type"]

    calls = [asyncio.create_task(call()) for _ in range(50)]
    await wait_until(lambda: sum(call.done() for call in calls) == 49, "the others were never answered")
    effects(keyed).gate.set()
    answers = await asyncio.gather(*calls)

    assert sorted(answers) == ["CONFLICT"] * 49 + ["result"]
    assert effects(keyed).count == 1


async def test_a_cancelled_call_gives_its_key_back(keyed: TestApp) -> None:
    """What was cancelled was undone, so it may be made again."""
    async with talking(keyed.port) as talker:
        first = await talker.say(action="keyed:slow", params={"text": "a"}, key="k")
        await effects(keyed).begun(1)
        await talker.ask(cancel=first)
        effects(keyed).gate.set()

        async def runs() -> bool:
            return "result" in await talker.ask(action="keyed:slow", params={"text": "a"}, key="k")

        await wait_until(runs, "the key was never free again")

    assert effects(keyed).count == 2


async def test_a_key_is_the_same_over_http(keyed: TestApp) -> None:
    """It belongs to caller and action, whatever carries the call."""
    await keyed.client().put("/api/notes", {"text": "a"}, headers={"Idempotency-Key": "k"})

    async with talking(keyed.port) as talker:
        again = await talker.ask(action="keyed:add", params={"text": "a"}, key="k")

    assert (again["replayed"], effects(keyed).count) == (True, 1)
