"""Calls and streams of one socket beside each other: in any order, under ids of their own, until they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import Context, Struct, action, allow, anyone
from antiphon.core.action import Call
from antiphon.core.middleware import Next
from antiphon.testing.waiting import wait_until
from tests.transports.surface import Watch
from tests.transports.websocket_stage import Stage, on_stage

# Side by side


async def test_calls_run_side_by_side(live_anyhow: Stage) -> None:
    """One that waits keeps nobody from being answered."""
    async with live_anyhow.talker() as talker:
        slow = await talker.say(action="slow:put")
        await live_anyhow.watch.event("put began").wait()
        assert await talker.result("word:get")
        live_anyhow.watch.event("go on").set()

        assert (await talker.answer(slow))["result"]["text"] == "put"


@pytest.mark.parametrize("verb", [{"action": "word:fast"}, {"ping": True}, {"subscribe": "news"}, {"cancel": 99}])
async def test_the_id_of_a_running_call_is_taken(live: Stage, verb: dict[str, Any]) -> None:
    """CONFLICT, whatever the frame is; the running call is answered all the same, and then its id is free."""
    async with live.talker() as talker:
        slow = await talker.say(id="same", action="slow:put")
        await live.watch.event("put began").wait()
        assert await talker.refusal(id="same", **verb) == "CONFLICT"
        live.watch.event("go on").set()
        assert "result" in await talker.answer(slow)

        assert "result" in await talker.ask(id="same", **verb)


async def test_numbers_and_texts_are_different_ids(live: Stage) -> None:
    """1 and "1" are two calls."""
    async with live.talker() as talker:
        await talker.say(id=1, action="slow:put")
        await talker.say(id="1", action="slow:put")
        await wait_until(lambda: len(live.runtime.calls) == 2, "the second call never began")
        live.watch.event("go on").set()

        assert [type((await talker.next())["id"]) for _ in range(2)] == [int, str]


async def test_one_more_call_than_may_run_is_refused(live: Stage) -> None:
    """The 17th; it is let in when another has ended."""
    async with live.talker() as talker:
        ids = [await talker.say(action="slow:put") for _ in range(16)]
        refused = await talker.call("slow:put")
        assert (refused["error"]["type"], refused["error"]["retryAfter"]) == ("TOO_MANY_CALLS", 1)
        # What never waits needs no room.
        assert await talker.result("word:fast")
        await talker.ask(cancel=ids[0])

        ids.append(await talker.say(action="slow:put"))
        live.watch.event("go on").set()
        for frame_id in ids[1:]:
            assert "result" in await talker.answer(frame_id)


async def test_calls_end_though_their_client_has_left(live_anyhow: Stage) -> None:
    """Whoever began to write is not cut off in the middle; nobody is told the result."""
    async with live_anyhow.talker() as talker:
        await talker.say(action="slow:put")
        await live_anyhow.watch.event("put began").wait()
    await live_anyhow.gone()
    live_anyhow.watch.event("go on").set()

    await wait_until(lambda: live_anyhow.watch.seen == ["put done"], "the call never ended")


# Cancel


async def test_a_cancelled_call_answers_nothing_more(live_anyhow: Stage) -> None:
    """It ends at its next wait, the cancel itself is answered, and the id is free at once."""
    async with live_anyhow.talker() as talker:
        slow = await talker.say(action="slow:put")
        await live_anyhow.watch.event("put began").wait()

        assert await talker.ask(id=100, cancel=slow) == {"id": 100, "result": None}

        await wait_until(lambda: live_anyhow.watch.seen == ["put cancelled"], "it was never cancelled")
        assert (await talker.ask(id=slow, action="word:get"))["result"]["text"] == "hello"
        assert talker.kept == []


class Undone(Struct):
    done: bool


@action("undo:slowly", allow(anyone))
async def undo_slowly(ctx: Context) -> Undone:
    """Take its time to end when it is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await ctx.get(Watch).event("undone").wait()
        raise
    return Undone(True)


async def test_a_call_that_is_slow_to_end_does_not_answer_under_a_new_call(live: Stage) -> None:
    """While it rolls back, its id may be used again: the new call is answered by itself and can be cancelled."""
    live.runtime.actions["undo:slowly"] = undo_slowly
    async with live.talker() as talker:
        await talker.say(id=1, action="undo:slowly")
        await talker.ask(id=2, cancel=1)
        await talker.say(id=1, action="slow:put")
        await live.watch.event("put began").wait()
        live.watch.event("undone").set()
        await wait_until(lambda: len(live.runtime.calls) == 1, "the first call never ended")

        assert await talker.refusal(id=1, action="word:get") == "CONFLICT"
        live.watch.event("go on").set()
        assert (await talker.answer(1))["result"]["text"] == "put"
        assert talker.kept == []


async def test_a_call_that_is_out_of_time_and_cancelled_answers_nothing(live: Stage) -> None:
    """Neither its end nor that its time is over."""

    async def stubborn(ctx: Context) -> Undone:
        """Be out of time, which is not noticed before its end."""
        ctx.out_of_time = True
        await asyncio.Event().wait()
        return Undone(True)

    live.runtime.actions["undo:stubborn"] = action("undo:stubborn", allow(anyone))(stubborn)
    async with live.talker() as talker:
        frame_id = await talker.say(action="undo:stubborn")
        await wait_until(lambda: len(live.runtime.calls) == 1, "the call never began")
        await talker.ask(cancel=frame_id)
        await talker.ask(ping=True)

        await wait_until(lambda: not len(live.runtime.calls), "the call never ended")
        assert talker.kept == []


async def test_what_does_not_run_can_be_cancelled(live: Stage) -> None:
    """It may have ended meanwhile: that is no error."""
    async with live.talker() as talker:
        for frame_id in (99, "never", -1):
            assert (await talker.ask(cancel=frame_id))["result"] is None


async def test_nobody_cancels_the_calls_of_another_socket(live: Stage) -> None:
    """An id means something on its own socket only."""
    async with live.talker() as one, live.talker() as other:
        await one.say(id=1, action="slow:put")
        await live.watch.event("put began").wait()
        await other.ask(id=2, cancel=1)
        live.watch.event("go on").set()

        assert (await one.answer(1))["result"]["text"] == "put"


# Streams


async def test_a_stream_comes_item_by_item(live_anyhow: Stage) -> None:
    """And ends with its done."""
    async with live_anyhow.talker() as talker:
        await talker.say(id=2, action="stream:count", params={"to": 2})

        assert await talker.takes(2) == [
            {"id": 2, "item": {"n": 1}},
            {"id": 2, "item": {"n": 2}},
            {"id": 2, "done": True},
        ]


async def test_the_first_item_does_not_wait_for_the_last(live_anyhow: Stage) -> None:
    """Each is sent when it is made."""
    async with live_anyhow.talker() as talker:
        frame_id = await talker.say(action="stream:patient")
        assert (await talker.answer(frame_id))["item"] == {"n": 1}
        live_anyhow.watch.event("go on").set()

        assert [frame.get("item") for frame in await talker.takes(frame_id)] == [{"n": 2}, None]


async def test_streams_run_beside_each_other(live: Stage) -> None:
    """And beside calls; each has its own items in order."""
    async with live.talker() as talker:
        ids = [await talker.say(action="stream:count", params={"to": 50}) for _ in range(5)]
        assert await talker.result("word:get")

        for frame_id in ids:
            *items, end = await talker.takes(frame_id)
            assert [frame["item"]["n"] for frame in items] == [*range(1, 51)]
            assert end == {"id": frame_id, "done": True}


@pytest.mark.parametrize("params", [{"to": 101}, {"to": "x"}, []])
async def test_a_stream_is_refused_before_its_first_item(live_anyhow: Stage, params: Any) -> None:
    """As any other call."""
    async with live_anyhow.talker() as talker:
        assert "error" in await talker.ask(action="stream:count", params=params)
        assert await talker.refusal(action="stream:secret") == "NOT_SIGNED_IN"
        assert live_anyhow.watch.seen == []


@pytest.mark.parametrize(("kind", "type_"), [("defect", "DEFECT"), ("conflict", "CONFLICT"), ("late", "TIMED_OUT")])
async def test_a_stream_may_fail_after_any_item(live_anyhow: Stage, kind: str, type_: str) -> None:
    """The error is its last frame."""
    async with live_anyhow.talker() as talker:
        frame_id = await talker.say(action="stream:fail", params={"kind": kind})
        first, last = await talker.takes(frame_id)

        assert first["item"] == {"n": 1}
        assert last["error"]["type"] == type_
        assert "SELECT" not in str(last)


async def test_an_item_that_is_no_json_is_a_defect(live: Stage) -> None:
    """The stream ends with it, and the socket goes on."""
    async with live.talker() as talker:
        assert await talker.refusal(action="stream:odd") == "DEFECT"
        assert await talker.result("word:get")


async def test_a_cancelled_stream_ends(live_anyhow: Stage) -> None:
    """It is closed, and no item comes after the answer to the cancel."""
    async with live_anyhow.talker() as talker:
        frame_id = await talker.say(action="stream:endless", params={"size": 10})
        await talker.answer(frame_id)

        await talker.ask(cancel=frame_id)
        taken = len(talker.kept)
        await live_anyhow.watch.event("closed").wait()
        await talker.ask(ping=True)

        assert len(talker.kept) == taken
        assert "done" not in str(talker.kept)


async def test_a_stream_ends_with_its_client(live_anyhow: Stage) -> None:
    """Nobody would take its items."""
    async with live_anyhow.talker() as talker:
        frame_id = await talker.say(action="stream:endless")
        await talker.answer(frame_id)

    await asyncio.wait_for(live_anyhow.watch.event("closed").wait(), 10)


async def test_layers_stand_around_a_stream(tmp_path: Path, shared: tuple[str, str]) -> None:
    """They may wrap its items, and see its end."""
    seen: list[str] = []

    async def wrapping(call: Call[Any], ctx: Context, after: Next) -> Any:
        items: AsyncIterator[Any] = await after(call, ctx)

        async def wrapped() -> AsyncIterator[Any]:
            async for item in items:
                seen.append("item")
                yield item
            seen.append("end")

        return wrapped()

    async with on_stage(tmp_path, shared, middleware=[wrapping]) as live, live.talker() as talker:
        await talker.takes(await talker.say(action="stream:count", params={"to": 2}))

    assert seen == ["item", "item", "end"]
