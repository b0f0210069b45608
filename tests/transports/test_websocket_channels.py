"""Watching topics over a socket: the door, the reply, every event once and in order, and nothing after the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import Module
from antiphon.testing.waiting import wait_until
from tests.transports import surface
from tests.transports.websocket_stage import QUICK_CHANNELS, Server, Stage, Talker, on_stage


@pytest.fixture
async def live(tmp_path: Path, shared: tuple[str, str], server: Server) -> AsyncIterator[Stage]:
    """The surface with quick channels, on each server."""
    async with on_stage(tmp_path, shared, server, channels=QUICK_CHANNELS) as running:
        yield running


async def test_an_event_is_shown_to_everybody_who_watches(live: Stage) -> None:
    """With its topic, its name, its offset and its fields; whoever says it may watch too, and nobody else sees it."""
    async with live.talker() as one, live.talker() as two, live.talker() as stranger:
        at = (await one.watch("news"))["offset"]
        await two.watch("news")
        await one.result("news:post", body="hi")

        for talker in (one, two):
            assert await talker.shown("news") == {
                "topic": "news", "event": "Posted", "offset": at + 1, "data": {"body": "hi"},
            }  # fmt: skip
        await stranger.ask(ping=True)
        assert stranger.kept == []


async def test_an_event_that_is_not_kept_has_no_offset(live: Stage) -> None:
    """It is shown to those who are there."""
    async with live.talker() as talker:
        await talker.watch("bell:door")
        await talker.result("bell:ring", times=2)
        await talker.result("bell:ring", times=3, name="church")
        await talker.result("bell:ring", times=4)

        assert await talker.shown("bell:door") == {"topic": "bell:door", "event": "Rang", "data": {"times": 2}}
        assert await talker.event("bell:door") == {"times": 4}


async def test_an_ephemeral_event_is_shown(live: Stage) -> None:
    """As any other, while the client keeps up."""
    async with live.talker() as talker:
        await talker.watch("keys")
        await talker.result("keys:press", who="ada")

        assert await talker.event("keys") == {"who": "ada"}


async def test_the_reply_says_where_the_topic_is(live: Stage) -> None:
    """Its epoch and offset, and who is there; nothing of recovery, as none was asked for."""
    async with live.ada() as talker:
        result = await talker.watch("news")

    assert result.keys() == {"topic", "epoch", "offset", "members", "count", "presenceVersion"}
    assert (result["topic"], result["offset"], [member["id"] for member in result["members"]]) == ("news", 0, ["ada"])


async def test_a_topic_without_a_log_has_no_place(live: Stage) -> None:
    """Only its name is answered."""
    async with live.talker() as talker:
        assert await talker.watch("bell:a") == {"topic": "bell:a"}


async def test_what_was_missed_is_given_back(live: Stage) -> None:
    """All of it, in order, under the reply; then it goes on."""
    async with live.talker() as talker:
        place = await talker.watch("news")
    async with live.talker() as talker:
        for body in ("a", "b"):
            await talker.result("news:post", body=body)
        result = await talker.watch("news", since={"epoch": place["epoch"], "offset": place["offset"]})
        await talker.result("news:post", body="c")

        assert (result["recovered"], result["offset"]) == (True, 2)
        assert [(event["offset"], event["data"]["body"]) for event in result["missed"]] == [(1, "a"), (2, "b")]
        assert (await talker.shown("news"))["offset"] == 3
        assert talker.kept == [] or "presence" in str(talker.kept)


async def test_another_epoch_recovers_nothing(live: Stage) -> None:
    """And it says why."""
    async with live.talker() as talker:
        await talker.result("news:post", body="a")
        result = await talker.watch("news", since={"epoch": "ffff", "offset": 0})

    assert (result["recovered"], result["missed"], result["reason"]) == (False, [], "epoch")


@pytest.mark.parametrize(
    ("topic", "error"),
    [
        ("nothing", "NOT_FOUND"),
        ("bell:", "NOT_FOUND"),
        ("", "INVALID_INPUT"),
        ("news news", "INVALID_INPUT"),
        ("news\0", "INVALID_INPUT"),
        ("x" * 201, "INVALID_INPUT"),
        ("vault", "NOT_SIGNED_IN"),
        ("broken", "DEFECT"),
    ],
)
async def test_who_may_not_watch_is_told(live: Stage, topic: str, error: str) -> None:
    """With the error of the door, or of the name; nothing of what is behind, and the socket goes on."""
    async with live.talker() as talker:
        answer = await talker.ask(subscribe=topic)
        assert answer["error"]["type"] == error
        assert "SELECT" not in str(answer)
        assert await talker.result("topics:mine") == []


async def test_a_call_knows_what_its_connection_watches(live: Stage) -> None:
    """By the names of the topics."""
    async with live.talker() as talker:
        await talker.watch("news")
        await talker.watch("bell:a")
        await talker.ask(unsubscribe="news")

        assert await talker.result("topics:mine") == ["bell:a"]


async def test_after_the_reply_to_an_unsubscribe_nothing_comes(live: Stage) -> None:
    """However much is being said; unsubscribing from what is not watched is no error."""
    async with live.talker() as talker, live.talker() as speaker:
        await talker.watch("news")
        saying = asyncio.create_task(say_much(speaker))
        await talker.shown("news")

        assert await talker.ask(id="off", unsubscribe="news") == {"id": "off", "result": None}
        talker.kept.clear()
        await saying
        assert (await talker.ask(unsubscribe="news"))["result"] is None
        assert (await talker.ask(unsubscribe="never heard of"))["result"] is None
        assert talker.kept == []


async def say_much(speaker: Talker) -> None:
    """Say twenty things, one after the other."""
    for number in range(20):
        await speaker.result("news:post", body=str(number))


async def test_the_reply_comes_before_any_event(live: Stage) -> None:
    """And the first event is the one after its offset, without a hole."""
    async with live.talker() as speaker, live.talker() as talker:
        saying = asyncio.create_task(say_much(speaker))
        await speaker.connection.ping()
        frame_id = await talker.say(subscribe="news")
        first = await talker.next()
        await saying

        assert first["id"] == frame_id
        shown = [(await talker.shown("news"))["offset"] for _ in range(20 - first["result"]["offset"])]
        assert shown == [*range(first["result"]["offset"] + 1, 21)]


async def test_events_come_in_the_order_of_their_offsets(live: Stage) -> None:
    """Also when several say something at once."""
    async with live.talker() as talker, live.talker() as one, live.talker() as two:
        await talker.watch("news")
        await asyncio.gather(say_much(one), say_much(two))

        assert [(await talker.shown("news"))["offset"] for _ in range(40)] == [*range(1, 41)]


# While the door is asked


async def at_the_gate(live: Stage, talker: Talker) -> int | str:
    """Subscribe to what waits for its door; the id."""
    frame_id = await talker.say(subscribe="gate")
    await live.watch.event("door asked").wait()
    return frame_id


async def test_other_frames_are_answered_while_a_door_is_asked(live: Stage) -> None:
    """A slow door is no reason to wait."""
    async with live.talker() as talker:
        frame_id = await at_the_gate(live, talker)
        assert "result" in await talker.ask(ping=True)
        assert await talker.refusal(id=frame_id, ping=True) == "CONFLICT"
        live.watch.event("door opens").set()

        assert (await talker.answer(frame_id))["result"]["topic"] == "gate"


async def test_a_subscribe_that_was_unsubscribed_from_never_begins(live: Stage) -> None:
    """Its answer says so, and no event comes after the unsubscribe was answered."""
    async with live.talker() as talker:
        frame_id = await at_the_gate(live, talker)
        off = await talker.say(unsubscribe="gate")
        first, second = await talker.next(), await talker.next()
        live.watch.event("door opens").set()
        await talker.result("news:post", body="a", topic="gate")

        assert (first["id"], first["error"]["type"]) == (frame_id, "CONFLICT")
        assert second == {"id": off, "result": None}
        assert await talker.result("topics:mine") == []
        assert talker.kept == []


async def test_a_subscribe_can_be_cancelled(live: Stage) -> None:
    """It answers nothing, and nothing is watched."""
    async with live.talker() as talker:
        frame_id = await at_the_gate(live, talker)
        await talker.ask(cancel=frame_id)
        live.watch.event("door opens").set()
        await talker.result("news:post", body="a", topic="gate")

        assert await talker.result("topics:mine") == []
        assert talker.kept == []


async def test_a_client_that_leaves_at_the_door_leaves_nothing(live: Stage) -> None:
    """Nobody watches for it afterwards."""
    async with live.talker() as talker:
        await at_the_gate(live, talker)
    await live.gone()
    live.watch.event("door opens").set()
    await wait_until(lambda: not live.desk.tasks, "the subscribe never ended")

    assert live.desk.channels is not None
    assert all(not feed.watches() for feed in live.desk.channels.hub.feeds.values())


# Presence


async def test_who_comes_and_goes_is_shown(live: Stage) -> None:
    """Once for each user, however many sockets; who leaves in good order has left at once."""
    async with live.talker() as talker:
        await talker.watch("news")
        async with live.ada() as one, live.ada() as two:
            await one.watch("news")
            await two.watch("news")
            joined = (await talker.shown("news", "presence"))["presence"]["joined"]
            await one.ask(unsubscribe="news")
            await two.ask(unsubscribe="news")
            left = (await talker.shown("news", "presence"))["presence"]["left"]

    assert [member["id"] for member in joined] == [member["id"] for member in left] == ["ada"]


async def test_whoever_closes_with_1000_has_left_at_once(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Others have the grace to come back."""
    channels = {**QUICK_CHANNELS, "grace_time": "1h"}
    async with on_stage(tmp_path, shared, channels=channels) as live, live.talker() as talker:
        await talker.watch("news")
        async with live.ada() as ada, live.talker(authorization="Bearer eve") as eve:
            await ada.watch("news")
            await eve.watch("news")
            eve.connection.transport.abort()
            await live.gone_to(2)
            await ada.connection.close(1000)

        left = await talker.until(lambda came: came.get("presence", {}).get("left"), "nobody ever left")
        assert [member["id"] for member in left["presence"]["left"]] == ["ada"]


# The end of a topic


async def test_a_door_that_refuses_later_ends_the_topic(live: Stage) -> None:
    """With the reason; the socket and its other topics go on."""
    async with live.ada() as ada:
        await ada.watch("vault")
        await ada.watch("news")
        await ada.result("vault:bar", who="ada")

        ended: Any = (await ada.shown("vault", "ended"))["ended"]
        assert ended == {"type": "FORBIDDEN", "message": "You are barred from the vault."}
        assert await ada.result("topics:mine") == ["news"]
        assert await ada.refusal(subscribe="vault") == "FORBIDDEN"


async def test_asking_doors_again_lets_nobody_in_or_out_who_stays(live: Stage) -> None:
    """Whoever may still watch notices nothing."""
    async with live.ada() as ada, live.talker(authorization="Bearer eve") as eve:
        await ada.watch("vault")
        await eve.watch("vault")
        await ada.result("vault:bar", who="eve")
        await eve.shown("vault", "ended")
        await ada.result("news:post", body="gold", topic="vault")

        assert await ada.event("vault") == {"body": "gold"}
        assert ada.kept == eve.kept == []


async def test_an_application_without_channels_has_no_topics(tmp_path: Path, shared: tuple[str, str]) -> None:
    """NOT_FOUND, whatever is asked for; unsubscribing is no error."""
    async with on_stage(tmp_path, shared, modules=[Module(surface.__name__)]) as live, live.talker() as talker:
        assert await talker.refusal(subscribe="news") == "NOT_FOUND"
        assert (await talker.ask(unsubscribe="news"))["result"] is None
