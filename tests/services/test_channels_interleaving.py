"""Any interleaving of publishing, subscribing, losing and resuming shows every event once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from antiphon.core.channel import Position
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node, place, settled


class Client:
    """A client as ours will be: it remembers its position, resumes from it, and begins anew when told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.screen: Screen | None = None
        self.at: Position | None = None
        self.seen: list[int] = []
        self.read = 0
        self.turn = asyncio.Lock()

    async def connect(self, on: Node) -> None:
        """Subscribe, from where it was."""
        async with self.turn:
            if self.screen is not None:
                return
            screen = on.screen(self.name)
            answer = await screen.watch("board", self.at)
            self.screen, self.read = screen, 0
            assert answer.get("recovered", True) is True
            self.seen += [event["offset"] for event in answer.get("missed", ())]
            if self.at is None:
                self.seen += range(1, answer["offset"] + 1)
            self.at = place(answer)

    def look(self) -> None:
        """Take in what has been shown."""
        if self.screen is not None and self.at is not None:
            shown = self.screen.offsets[self.read :]
            self.read += len(shown)
            self.seen += shown
            if shown:
                self.at = Position(self.at.epoch, shown[-1])

    def disconnect(self) -> None:
        """Lose the connection."""
        self.look()
        if self.screen is not None:
            self.screen.lose()
            self.screen = None


MOST = 40
"""What is published at most: the log keeps more."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["publish", "lose", "deafen", "hear", "wait"]), st.integers(0, 1)),
        st.tuples(st.just("publish"), st.integers(0, 1)),
        st.tuples(st.sampled_from(["connect", "connect", "disconnect"]), st.integers(0, 2)),
    ),
    min_size=10,
    max_size=40,
)


@pytest.fixture
async def pair(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes that keep enough."""
    async with AsyncExitStack() as stack:
        bounds = {**QUICK, "CHANNELS_LINGER_TIME": "1ms", "CHANNELS_COMPARE_TIME": "100ms"}
        first = await stack.enter_async_context(node(valkey.url, store_prefix, bounds))
        yield first, await stack.enter_async_context(node(valkey.url, store_prefix, bounds))


class Story:
    """Some clients on two nodes, and what happens to them."""

    def __init__(self, pair: tuple[Node, Node], store: Store) -> None:
        self.pair = pair
        self.name = store.key("{topic..board}")
        self.clients = [Client(f"c{n}") for n in range(3)]
        self.published = 0

    async def step(self, what: str, number: int) -> None:
        """One thing happens."""
        if what == "publish" and self.published < MOST:
            # No more than the log keeps, or the right answer to who was away would be "gone".
            self.published += 1
            await self.pair[number].post("x")
        elif what == "connect":
            await self.clients[number].connect(self.pair[number % 2])
        elif what == "disconnect":
            self.clients[number].disconnect()
        elif what in ("deafen", "hear"):
            on = self.pair[number]
            for feed in [*on.hub.feeds.values()]:
                on.relay.leave(self.name, feed)
                # One that nobody watches is about to be closed, also while this waits.
                if what == "hear" and feed not in on.hub.idle:
                    await on.relay.listen(self.name, feed)
        elif what == "lose":
            for part in ("deafen", "publish", "hear"):
                await self.step(part, number)
        elif what == "wait":
            await settled()

    def everything(self) -> bool:
        """Whether every client has seen as much as was published."""
        for client in self.clients:
            client.look()
        return all(len(client.seen) >= self.published for client in self.clients)


@example(steps=[("connect", 0), ("lose", 0), ("publish", 0)], side_by_side=False)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, side_by_side=st.booleans())
async def test_any_interleaving_shows_every_event_once_and_in_order(
    pair: tuple[Node, Node], store: Store, steps: list[tuple[str, int]], side_by_side: bool
) -> None:
    """Publishers, subscribers, lost connections and deaf nodes in any order: nothing is missing, nothing doubled."""
    story = Story(pair, store)
    await store.client.delete(f"{story.name}:log", f"{story.name}:head")
    for on in pair:
        for feed in [*on.hub.feeds.values()]:
            on.hub.close(feed)

    running: list[asyncio.Task[None]] = []
    for what, number in steps:
        if side_by_side and what in ("publish", "connect"):
            running.append(asyncio.create_task(story.step(what, number)))
        else:
            await asyncio.gather(*running)
            running.clear()
            await story.step(what, number)
    await asyncio.gather(*running)
    for number, client in enumerate(story.clients):
        await client.connect(pair[number % 2])

    await wait_until(story.everything, "something is missing")
    for client in story.clients:
        assert client.seen == [*range(1, story.published + 1)]
        client.disconnect()
