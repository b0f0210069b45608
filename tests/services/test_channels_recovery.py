"""Recovery: whoever comes back is given everything that was missed, in order, or is told that it is gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from antiphon.core.channel import Position
from antiphon.services.channels.frames import entry_of
from antiphon.services.channels.log import Appended
from antiphon.services.channels.messages import topic_keys
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Posted, in_room, node, place, ring, room

BEGIN = {**QUICK, "CHANNELS_MISSED": "4", "CHANNELS_MISSED_BYTES": "1024", "CHANNELS_COMPARE_TIME": "200ms"}


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes with small bounds."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, BEGIN))
        second = await stack.enter_async_context(node(valkey.url, store_prefix, BEGIN))
        yield first, second


def missed(answer: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    """The texts in an answer."""
    return [event["data"]["body"] for event in answer["missed"]]


async def test_a_first_subscribe_recovers_nothing(nodes: tuple[Node, Node]) -> None:
    """Without `since` there is neither `recovered` nor `missed`, but the place to go on from."""
    here, _ = nodes
    await in_room(here, "a", "b")

    answer = await here.screen().watch("room:1")

    assert set(answer) == {"topic", "epoch", "offset"}
    assert answer["offset"] == 2


async def test_everything_missed_comes_in_order(nodes: tuple[Node, Node]) -> None:
    """On another node as well, and exactly what came after the position."""
    here, there = nodes
    await in_room(here, "a")
    since = place(await here.screen().watch("room:1"))
    await in_room(here, "b", "c", "d")

    answer = await there.screen().watch("room:1", since)

    assert answer["recovered"] is True
    assert missed(answer) == ["b", "c", "d"]
    assert [event["offset"] for event in answer["missed"]] == [2, 3, 4]


async def test_who_missed_nothing_has_recovered(nodes: tuple[Node, Node]) -> None:
    """An empty list is all there is."""
    here, there = nodes
    await in_room(here, "a")
    since = place(await here.screen().watch("room:1"))

    answer = await there.screen().watch("room:1", since)

    assert (answer["recovered"], answer["missed"]) == (True, [])


@pytest.mark.parametrize(
    ("count", "size", "reason"), [(6, 1, "window"), (5, 1, "tooMany"), (3, 400, "tooMany")], ids=str
)
async def test_there_is_never_a_part(nodes: tuple[Node, Node], count: int, size: int, reason: str) -> None:
    """Trimmed, too many, too large: none of them comes, with the reason and the place to go on from."""
    here, there = nodes
    since = place(await here.screen().watch("room:1"))
    await in_room(here, *("x" * size for _ in range(count)))

    answer = await there.screen().watch("room:1", since)

    assert (answer["recovered"], answer["reason"], answer["missed"]) == (False, reason, [])
    assert answer["offset"] == count


async def test_the_bounds_themselves_are_recovered(nodes: tuple[Node, Node]) -> None:
    """As many events as may be given back are given back."""
    here, there = nodes
    since = place(await here.screen().watch("room:1"))
    await in_room(here, *"abcd")

    assert missed(await there.screen().watch("room:1", since)) == [*"abcd"]


@pytest.mark.parametrize(("epoch", "ahead"), [("another", 0), ("", 0), (None, 3)])
async def test_a_position_of_no_log_is_told_so(nodes: tuple[Node, Node], epoch: str | None, ahead: int) -> None:
    """Another log, or more than there is: the client begins anew, and nobody else notices."""
    here, there = nodes
    watching = here.screen()
    at = place(await watching.watch("room:1"))
    since = Position(at.epoch if epoch is None else epoch or "x", at.offset + ahead)

    answer = await there.screen().watch("room:1", since)

    assert (answer["recovered"], answer["reason"]) == (False, "epoch")
    assert place(answer) == at
    assert watching.frames == []


async def test_a_log_that_has_expired_is_a_window_and_the_topic_keeps_its_epoch(
    nodes: tuple[Node, Node], store: Store
) -> None:
    """What is kept has a lifetime; a quiet topic that is watched does not begin anew."""
    here, there = nodes
    await in_room(here, "a")
    watching = here.screen()
    at = place(await watching.watch("room:1"))
    await in_room(here, "b")
    await store.client.delete(store.key("{topic..room:1}:log"))

    answer = await there.screen().watch("room:1", at)

    assert (answer["reason"], answer["epoch"], answer["offset"]) == ("window", at.epoch, 2)
    assert watching.of("reset") == []


async def test_a_repeat_with_a_position_gives_what_was_missed_again(nodes: tuple[Node, Node]) -> None:
    """The client says what it has; live events go on behind it."""
    here, _ = nodes
    screen = here.screen()
    since = place(await screen.watch("room:1"))
    await in_room(here, "a", "b")
    await screen.sees("a", "b")

    answer = await screen.watch("room:1", since)
    await in_room(here, "c")

    assert missed(answer) == ["a", "b"]
    await screen.sees("a", "b", "c")


async def test_a_repeat_without_a_position_changes_nothing(nodes: tuple[Node, Node]) -> None:
    """It is answered with the place where the connection is."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("room:1")
    await in_room(here, "a")
    await screen.sees("a")

    answer = await screen.watch("room:1")
    await in_room(here, "b")

    assert answer["offset"] == 1
    await screen.sees("a", "b")


async def test_a_hole_is_filled_from_the_log(nodes: tuple[Node, Node], store: Store) -> None:
    """A node that did not hear an event finds out with the next one, and shows both in order."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("room:1")
    there.relay.leave(store.key("{topic..room:1}"), next(iter(there.hub.feeds.values())))
    await in_room(here, "a", "b")
    await there.relay.listen(store.key("{topic..room:1}"), next(iter(there.hub.feeds.values())))

    await in_room(here, "c")

    await screen.sees("a", "b", "c")
    assert screen.offsets == [1, 2, 3]


async def test_a_silent_loss_is_found_without_another_event(nodes: tuple[Node, Node], store: Store) -> None:
    """Each node compares its place with the store's now and then."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("room:1")
    there.relay.leave(store.key("{topic..room:1}"), next(iter(there.hub.feeds.values())))

    await in_room(here, "a")

    await screen.sees("a")


async def test_a_hole_that_the_log_does_not_reach_back_to_is_a_reset(nodes: tuple[Node, Node], store: Store) -> None:
    """The watchers are told the place to go on from, and go on from there."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("room:1")
    there.relay.leave(store.key("{topic..room:1}"), next(iter(there.hub.feeds.values())))

    await in_room(here, *"abcdef")

    assert (await screen.shown("reset"))["offset"] == 6
    await there.relay.listen(store.key("{topic..room:1}"), next(iter(there.hub.feeds.values())))
    await in_room(here, "g")
    await screen.sees("g")


async def test_a_store_that_lost_the_log_begins_a_new_one(nodes: tuple[Node, Node], store: Store) -> None:
    """Every watcher is reset to the new epoch, and a position of the old one recovers nothing."""
    here, there = nodes
    screen = there.screen()
    await in_room(here, "a")
    old = place(await screen.watch("room:1"))
    await store.client.delete(store.key("{topic..room:1}:log"), store.key("{topic..room:1}:head"))

    await in_room(here, "b")

    reset = await screen.shown("reset")
    assert reset["epoch"] != old.epoch
    assert (await here.screen().watch("room:1", old))["reason"] == "epoch"
    await in_room(here, "c")
    await wait_until(lambda: screen.bodies[-1:] == ["c"], "the new log was never followed")


async def test_offsets_that_the_store_has_lost_are_not_given_again(nodes: tuple[Node, Node], store: Store) -> None:
    """A store that comes back without its last second begins a new epoch: the same offset never means two events."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("room:1")
    await in_room(here, "a", "b", "c")
    await screen.sees("a", "b", "c")
    since = Position(there.hub.feeds[next(iter(there.hub.feeds))].place.epoch, 3)  # pyright: ignore[reportOptionalMemberAccess]  # it is watched
    await store.client.hset(store.key("{topic..room:1}:head"), "offset", "1")
    await store.client.ltrim(store.key("{topic..room:1}:log"), 0, 0)

    await screen.shown("reset")
    await in_room(here, *"BCDE")

    answer = await here.screen().watch("room:1", since)
    assert answer["recovered"] is False


async def test_what_is_sent_again_is_shown_once(nodes: tuple[Node, Node]) -> None:
    """A lost answer leaves open whether the event is there; sending it again, after others, does not double it."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("room:1")
    logs = here.channels.sender.logs
    event = Appended(topic_keys("", "room:1"), room, entry_of(Posted("once")), logs.token())

    await logs.append([event], again=False)
    await in_room(here, "next")
    await logs.append([event, event], again=True)
    await in_room(here, "last")

    await screen.sees("once", "next", "last")


async def test_a_topic_without_a_log_is_reset_when_something_may_be_missing(nodes: tuple[Node, Node]) -> None:
    """There is no place to go on from; the client loads what it shows."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("bell")

    next(iter(here.hub.feeds.values())).missed()
    await here.run(ring, times=1)

    assert await screen.shown("reset") == {}
    await screen.shown("data")
