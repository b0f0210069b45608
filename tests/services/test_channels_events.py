"""Events: shown to everybody who watches, in order, after the commit, and never when the call fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.channel import Position
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, Forbidden, NotFound, NotSignedIn
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import (
    QUICK,
    Node,
    Posted,
    Rang,
    bell,
    board,
    fail,
    node,
    position,
    post,
    post_in,
    ring,
    settled,
    type_something,
    user,
)


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes of one application."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        second = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        yield first, second


async def test_an_event_reaches_every_watcher_on_every_node(nodes: tuple[Node, Node]) -> None:
    """Whoever publishes, and wherever: the frame is that of the protocol."""
    here, there = nodes
    screens = [here.screen("ada"), here.screen("eve"), there.screen("cy")]
    for screen in screens:
        await screen.watch("board")

    await there.post("hi")

    for screen in screens:
        await screen.sees("hi")
        assert {"topic": "board", "event": "Posted", "offset": 1, "data": {"body": "hi"}} in screen.frames


async def test_all_watchers_see_one_order(nodes: tuple[Node, Node]) -> None:
    """Publishers on two nodes at once: the offsets are 1, 2, 3 … and everybody sees the same texts behind them."""
    here, there = nodes
    one, two = here.screen(), there.screen()
    await one.watch("board")
    await two.watch("board")

    await asyncio.gather(*(each.post(*(f"{name}{n}" for n in range(20))) for name, each in (("a", here), ("b", there))))

    await wait_until(lambda: len(one.bodies) == len(two.bodies) == 40, "not everything was shown")
    assert one.offsets == two.offsets == [*range(1, 41)]
    assert one.bodies == two.bodies
    assert [body for body in one.bodies if body[0] == "a"] == [f"a{n}" for n in range(20)]


async def test_an_event_is_encoded_once_and_its_frame_is_shared(nodes: tuple[Node, Node]) -> None:
    """All watchers of a node are given the same object, so a transport frames it once."""
    here, _ = nodes
    screens = [here.screen() for _ in range(3)]
    for screen in screens:
        await screen.watch("room:1")

    await here.run(post_in, room_id=1, body="hi")

    for screen in screens:
        await screen.sees("hi")
    assert len({id(screen.raw[-1]) for screen in screens}) == 1


async def test_a_call_that_fails_shows_nothing(nodes: tuple[Node, Node]) -> None:
    """What was published before the failure is forgotten."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("board")

    with pytest.raises(Forbidden):
        await here.run(fail, body="never")
    await here.post("after")

    await screen.sees("after")
    assert screen.offsets == [1]


async def test_an_event_waits_for_the_end_of_the_call(nodes: tuple[Node, Node]) -> None:
    """While the action still runs nobody has seen anything, so nobody can look for what is not committed."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("board")
    seen: list[int] = []

    @action("board:slow", allow(anyone))
    async def slow(ctx: Context) -> None:
        await board().publish(ctx, Posted("late"))
        await here.post("early")
        await screen.sees("early")
        seen.append(len(screen.bodies))

    here.runtime.actions[slow.name] = slow
    await here.run(slow)

    assert seen == [1]
    await screen.sees("early", "late")


async def test_events_without_a_log_have_no_offset(nodes: tuple[Node, Node]) -> None:
    """They are shown once to whoever is there."""
    here, there = nodes
    screen = there.screen()
    answer = await screen.watch("bell")

    await here.run(ring, times=3)

    await wait_until(lambda: screen.frames, "the bell was never heard")
    assert answer == {"topic": "bell"}
    assert screen.frames == [{"topic": "bell", "event": "Rang", "data": {"times": 3}}]


async def test_an_ephemeral_event_takes_no_place_in_the_log(nodes: tuple[Node, Node]) -> None:
    """It is shown, and not kept."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("board")

    await here.run(type_something, caller=user("ada"))
    await here.post("hi")

    await screen.sees("hi")
    assert {"topic": "board", "event": "Typing", "data": {"userId": "ada"}} in screen.frames
    assert screen.offsets == [1]


async def test_one_name_in_two_tenants_is_two_topics(nodes: tuple[Node, Node]) -> None:
    """Nothing crosses."""
    here, there = nodes
    red, blue = here.screen("ada", tenant_id="red"), there.screen("ada", tenant_id="blue")
    await red.watch("board")
    await blue.watch("board")

    await here.post("for red", caller=user("bob", tenant_id="red"))
    await there.post("for blue", caller=user("bob", tenant_id="blue"))

    await red.sees("for red")
    await blue.sees("for blue")


@pytest.mark.parametrize("tenant_id", ["a.b", "a b", "{a}", "a\nb"])
async def test_a_tenant_whose_id_could_be_taken_for_a_topic_has_none(nodes: tuple[Node, Node], tenant_id: str) -> None:
    """Its keys could be another tenant's."""
    with pytest.raises(ValueError, match="tenant"):
        await nodes[0].screen(tenant_id=tenant_id).watch("bell")


async def test_an_event_of_another_channel_is_a_mistake(nodes: tuple[Node, Node]) -> None:
    """What the type checker refuses is refused without one, too."""

    @action("board:wrong", allow(anyone))
    async def wrong(ctx: Context) -> None:
        await board().publish(ctx, Rang(1))  # pyright: ignore[reportArgumentType]  # the mistake that is tested

    nodes[0].runtime.actions[wrong.name] = wrong
    with pytest.raises(Defect):
        await nodes[0].run(wrong)


async def test_nothing_is_shown_after_an_unsubscribe(nodes: tuple[Node, Node]) -> None:
    """And a second one is no error."""
    here, _ = nodes
    screen, other = here.screen(), here.screen()
    await screen.watch("board")
    await other.watch("board")

    assert screen.unwatch("board")
    assert not screen.unwatch("board")
    await here.post("hi")

    await other.sees("hi")
    assert screen.bodies == []


async def test_nothing_comes_before_the_reply(nodes: tuple[Node, Node]) -> None:
    """What happens between the answer and its sending is held back, and shown right after it."""
    here, _ = nodes
    other, screen = here.screen("eve"), here.screen("ada")
    await other.watch("room:1")
    watch = await here.channels.subscribe(screen.context(), "room:1", screen)
    await here.run(post_in, room_id=1, body="between")
    await other.sees("between")

    before = [*screen.frames]
    watch.begin()

    assert before == []
    assert screen.bodies == ["between"]


async def test_a_node_listens_on_for_a_while_and_then_no_more(nodes: tuple[Node, Node]) -> None:
    """The linger keeps the place for who comes right back; after it the topic costs nothing."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("room:1")

    screen.lose()
    lingering = len(here.hub.feeds)

    assert lingering == 1
    await wait_until(lambda: not here.hub.feeds, "the topic was heard for ever")
    await screen.watch("room:1")
    await here.run(post_in, room_id=1, body="again")
    await screen.sees("again")


REFUSED: dict[str, type[CallError]] = {"room:13": Forbidden, "attic": NotFound}


@pytest.mark.parametrize("topic", REFUSED)
async def test_a_refused_subscribe_leaves_nothing(nodes: tuple[Node, Node], topic: str) -> None:
    """The door decides before anything is heard or entered."""
    screen = nodes[0].screen()

    with pytest.raises(REFUSED[topic]):
        await screen.watch(topic)

    assert not screen.watches
    assert not nodes[0].hub.feeds


async def test_who_is_not_signed_in_is_told_so(nodes: tuple[Node, Node]) -> None:
    """A door asks the same rules as an action."""
    screen = nodes[0].screen()
    screen.caller = type(screen.caller)()

    with pytest.raises(NotSignedIn):
        await screen.watch("board")


async def test_a_position_names_the_place_before_the_rows(nodes: tuple[Node, Node]) -> None:
    """Nothing falls between a list and a subscribe with its position."""
    here, there = nodes
    await here.post("listed")
    at: Position = await here.run(position)
    await there.post("after the list")

    answer = await there.screen().watch("board", at)

    assert answer["recovered"] is True
    assert [event["data"]["body"] for event in answer["missed"]] == ["after the list"]


async def test_a_thousand_watchers_are_one_loop(nodes: tuple[Node, Node]) -> None:
    """Everybody is shown the same frame in the same step, and nobody is waited for."""
    here, _ = nodes
    screens = [here.screen(f"user{n % 5}") for n in range(1000)]
    for screen in screens:
        await screen.watch("bell")

    await here.run(ring, times=1)
    await wait_until(lambda: screens[0].frames, "the bell was never heard")

    assert all(len(screen.frames) == 1 for screen in screens)


async def test_several_events_of_one_call_keep_their_order(nodes: tuple[Node, Node]) -> None:
    """Also over several topics, in one trip to the store, and when the store does not know the script yet."""
    here, there = nodes
    screen = there.screen()
    await screen.watch("board")
    await here.runtime.require(Store, "the test").client.execute_command("SCRIPT", "FLUSH")

    @action("board:many", allow(anyone))
    async def many(ctx: Context) -> None:
        for n in range(5):
            await board().publish(ctx, Posted(str(n)))
            await bell().publish(ctx, Rang(n))

    here.runtime.actions[many.name] = many
    await here.run(many)

    await screen.sees("0", "1", "2", "3", "4")


async def test_a_bare_call_within_a_call_waits_for_the_outer_end(nodes: tuple[Node, Node]) -> None:
    """Inner calls publish with the outer one's success."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("board")

    @action("board:outer", allow(anyone))
    async def outer(ctx: Context, *, fails: bool) -> None:
        await ctx.call(post, body="inner")
        if fails:
            raise Forbidden

    here.runtime.actions[outer.name] = outer
    with pytest.raises(Forbidden):
        await here.run(outer, fails=True)
    await settled()
    assert screen.bodies == []
    await here.run(outer, fails=False)

    await screen.sees("inner")
