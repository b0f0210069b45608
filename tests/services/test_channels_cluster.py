"""Channels on a Cluster: topics lie on different nodes, and one listening connection hears them all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from secrets import token_hex

import pytest

from antiphon.testing.engines import ValkeyCluster
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node, place, post_in, ring, type_something
from tests.stores.store_stage import cluster

__all__ = ["cluster"]

ROOMS = range(1, 10)
"""Enough for three nodes to have some of them each."""

ON_CLUSTER = {**QUICK, "REDIS_CLUSTER": "true", "REDIS_COMMAND_TIME": "10s", "CHANNELS_PUBLISH_TIME": "10s"}


@pytest.fixture
async def nodes(cluster: ValkeyCluster) -> AsyncIterator[tuple[Node, Node]]:
    """Two processes of an application on the Cluster."""
    prefix = f"test-{token_hex(4)}"
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(cluster.url, prefix, ON_CLUSTER))
        yield first, await stack.enter_async_context(node(cluster.url, prefix, ON_CLUSTER))


async def in_rooms(on: Node, body: str) -> None:
    """Say something in every room."""
    for room_id in ROOMS:
        await on.run(post_in, room_id=room_id, body=body)


async def in_each_room(on: Node) -> list[Screen]:
    """A watcher in every room."""
    screens = [on.screen(f"user{room_id}") for room_id in ROOMS]
    for room_id, screen in zip(ROOMS, screens, strict=True):
        await screen.watch(f"room:{room_id}")
    return screens


def told(screen: Screen, what: str) -> list[str]:
    """Who came, or who left, as far as a watcher was told."""
    return [member["id"] for change in screen.of("presence") for member in change[what]]


async def test_events_of_topics_on_every_node_are_heard(nodes: tuple[Node, Node]) -> None:
    """The scripts of a topic run where its keys are, and a message passes from there to all."""
    here, there = nodes
    screens = await in_each_room(there)

    for body in ("a", "b", "c"):
        await in_rooms(here, body)

    for screen in screens:
        await screen.sees("a", "b", "c", within=20)
        assert screen.offsets == [1, 2, 3]


async def test_what_no_log_keeps_is_heard(nodes: tuple[Node, Node]) -> None:
    """Ephemeral events and topics without a log are messages alone, which a Cluster does not take by itself."""
    here, there = nodes
    board, bell = there.screen("ada"), there.screen("ben")
    await board.watch("board")
    await bell.watch("bell")

    await here.run(type_something)
    await here.run(ring, times=3)

    await wait_until(lambda: "Typing" in board.of("event"), "nobody typed", within=20)
    await wait_until(lambda: "Rang" in bell.of("event"), "no bell rang", within=20)


async def test_members_come_and_go(nodes: tuple[Node, Node]) -> None:
    """Who is there lies in one slot with the topic, and leases in another."""
    here, there = nodes
    screen = there.screen("ada")
    await screen.watch("board")

    other = here.screen("ben")
    await other.watch("board")
    await wait_until(lambda: "ben" in told(screen, "joined"), "ben never came", within=20)
    other.unwatch("board")

    await wait_until(lambda: "ben" in told(screen, "left"), "ben never left", within=20)


async def test_what_was_missed_is_recovered(nodes: tuple[Node, Node]) -> None:
    """On another process, from the log in whichever node has it."""
    here, there = nodes
    await in_rooms(here, "a")
    since = [place(await there.screen().watch(f"room:{room_id}")) for room_id in ROOMS]
    await in_rooms(here, "b")

    for room_id, position in zip(ROOMS, since, strict=True):
        answer = await here.screen().watch(f"room:{room_id}", position)
        assert [event["data"]["body"] for event in answer["missed"]] == ["b"]


async def test_events_go_on_after_nodes_were_restarted(nodes: tuple[Node, Node], cluster: ValkeyCluster) -> None:
    """Each in turn, the one that is listened to among them: what was published meanwhile is filled in."""
    here, there = nodes
    screens = await in_each_room(there)
    await in_rooms(here, "before")

    for number, server in enumerate(cluster.nodes):
        await server.restart()
        await in_rooms(here, f"after {number}")

    for screen in screens:
        await screen.sees("before", "after 0", "after 1", "after 2", within=60)
