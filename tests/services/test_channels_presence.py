"""Presence: who is on a topic, announced once per user however many connections, nodes and reconnects there are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from signal import SIGKILL
from subprocess import PIPE
from typing import Any

import pytest

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.channel import MemberNames
from antiphon.core.errors import NotFound, NotSignedIn
from antiphon.core.service import service
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node, user

LONG = {**QUICK, "CHANNELS_GRACE_TIME": "30s"}
"""A grace that no test outlives."""


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes with a short grace and short leases."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        second = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        yield first, second


def ids(members: list[dict[str, Any]]) -> list[str]:
    """The ids in a list."""
    return [member["id"] for member in members]


def comings(screen: Screen) -> list[str]:
    """Who came (`+`) and went (`-`), by what was shown, in order."""
    told: list[str] = []
    for presence in screen.of("presence"):
        told += [f"+{who}" for who in ids(presence.get("joined", []))]
        told += [f"-{who}" for who in ids(presence.get("left", []))]
    return told


async def test_the_answer_lists_who_is_there_and_oneself(nodes: tuple[Node, Node]) -> None:
    """Over all nodes, those who came first standing first, with the version of the list."""
    here, there = nodes
    await here.screen("ada").watch("board")

    answer = await there.screen("eve").watch("board")

    assert ids(answer["members"]) == ["ada", "eve"]
    assert answer["count"] == 2
    assert set(answer["members"][0]) == {"id", "name", "since"}
    assert isinstance(answer["presenceVersion"], int)


async def test_coming_and_going_is_told_to_all(nodes: tuple[Node, Node]) -> None:
    """With rising versions, on every node."""
    here, there = nodes
    ada, eve = here.screen("ada"), there.screen("eve")
    first = await ada.watch("board")

    await eve.watch("board")
    await wait_until(lambda: "+eve" in comings(ada), "eve was never announced")
    eve.unwatch("board")
    await wait_until(lambda: "-eve" in comings(ada), "eve never left")

    versions = [presence["version"] for presence in ada.of("presence")]
    assert versions == sorted(set(versions))
    assert versions[-1] > first["presenceVersion"]


async def test_a_user_comes_once_and_goes_once(nodes: tuple[Node, Node]) -> None:
    """Five connections on two nodes are one member."""
    here, there = nodes
    watching = here.screen("ada")
    await watching.watch("board")
    screens = [each.screen("eve") for each in (here, here, there, there, there)]
    for screen in screens:
        await screen.watch("board")
    await wait_until(lambda: "+eve" in comings(watching), "eve was never announced")

    for screen in screens[:-1]:
        screen.unwatch("board")
    other = there.screen("cy")
    await other.watch("board")
    await wait_until(lambda: "+cy" in comings(watching), "cy was never announced")
    assert [each for each in comings(watching) if "eve" in each] == ["+eve"]
    screens[-1].unwatch("board")

    await wait_until(lambda: "-eve" in comings(watching), "eve never left")
    assert [each for each in comings(watching) if "eve" in each] == ["+eve", "-eve"]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_back_within_the_grace_never_left(valkey: ValkeyServer, store_prefix: str, elsewhere: bool) -> None:
    """On the same node or on another one, neither leaving nor joining is told."""
    async with node(valkey.url, store_prefix, LONG) as here, node(valkey.url, store_prefix, LONG) as there:
        watching, eve = here.screen("ada"), there.screen("eve")
        await watching.watch("board")
        await eve.watch("board")
        await wait_until(lambda: "+eve" in comings(watching), "eve was never announced")

        eve.lose()
        again = (here if elsewhere else there).screen("eve")
        answer = await again.watch("board")
        await here.screen("cy").watch("board")

        await wait_until(lambda: "+cy" in comings(watching), "cy was never announced")
        assert ids(answer["members"]) == ["ada", "eve"]
        assert comings(watching)[-2:] == ["+eve", "+cy"]


async def test_after_the_grace_the_user_has_left(nodes: tuple[Node, Node]) -> None:
    """A lost connection that nobody takes up again ends in `left`."""
    here, there = nodes
    watching, eve = here.screen("ada"), there.screen("eve")
    await watching.watch("board")
    await eve.watch("board")

    eve.lose()

    await wait_until(lambda: comings(watching)[-1:] == ["-eve"], "eve never left")


@pytest.mark.parametrize("how", ["unsubscribe", "close 1000"])
async def test_who_says_goodbye_has_left_at_once(valkey: ValkeyServer, store_prefix: str, how: str) -> None:
    """There is no grace for those who mean it."""
    async with node(valkey.url, store_prefix, LONG) as here:
        watching, eve = here.screen("ada"), here.screen("eve")
        await watching.watch("board")
        await eve.watch("board")

        if how == "unsubscribe":
            eve.unwatch("board")
        else:
            here.channels.drop(eve, at_once=True)

        await wait_until(lambda: not here.hub.feeds["{topic..board}"].roster.members.get("eve"), "eve never left")  # pyright: ignore[reportOptionalMemberAccess]  # the board has presence


async def test_comings_and_goings_are_gathered(valkey: ValkeyServer, store_prefix: str) -> None:
    """What happens within one beat is one frame, and who came and went within it is in none."""
    clock = StandingClock()
    async with node(valkey.url, store_prefix, LONG, clock=clock) as here, node(valkey.url, store_prefix, LONG) as there:
        watching = here.screen("ada")
        await watching.watch("board")
        for name in ("eve", "cy", "dan"):
            await there.screen(name).watch("board")
        roster = here.hub.feeds["{topic..board}"].roster
        assert roster is not None
        await wait_until(lambda: len(roster.members) == 4, "not everybody came")

        clock.move(here.hub.settings.gather_time)
        await watching.shown("presence")

        assert comings(watching) == ["+ada", "+eve", "+cy", "+dan"]
        assert len(watching.of("presence")) == 1


async def test_a_hole_is_mended_by_the_whole_list(nodes: tuple[Node, Node], store: Store) -> None:
    """A node that did not hear somebody come shows the list as it is."""
    here, there = nodes
    watching = here.screen("ada")
    await watching.watch("board")
    feed, name = here.hub.feeds["{topic..board}"], store.key("{topic..board}")
    here.relay.leave(name, feed)
    await there.screen("eve").watch("board")
    await here.relay.listen(name, feed)

    await there.screen("cy").watch("board")

    await wait_until(lambda: any("members" in each for each in watching.of("presence")), "the list never came")
    shown = next(each for each in watching.of("presence") if "members" in each)
    assert ids(shown["members"]) == ["ada", "eve", "cy"]


async def test_above_the_bound_only_a_number_is_told(valkey: ValkeyServer, store_prefix: str) -> None:
    """Lists hold the first ones, frames the count; below it there are lists again."""
    async with node(valkey.url, store_prefix, {**LONG, "CHANNELS_MEMBERS": "2"}) as here:
        watching = here.screen("ada")
        await watching.watch("board")
        others = [here.screen(name) for name in ("eve", "cy")]
        answers = [await other.watch("board") for other in others]
        await wait_until(lambda: any(each.get("count") == 3 for each in watching.of("presence")), "no number came")

        others[-1].unwatch("board")
        await wait_until(lambda: "members" in watching.of("presence")[-1], "no list came again")

        assert (ids(answers[-1]["members"]), answers[-1]["count"]) == (["ada", "eve"], 3)
        assert ids(watching.of("presence")[-1]["members"]) == ["ada", "eve"]


async def test_who_is_not_signed_in_is_no_member(nodes: tuple[Node, Node]) -> None:
    """Only topics whose door lets them in have such watchers, and they are not listed."""
    here, _ = nodes
    await here.screen("ada").watch("board")
    system = here.screen()
    system.caller = Caller("system")

    answer = await system.watch("board")

    assert ids(answer["members"]) == ["ada"]


async def test_members_are_told_after_the_door_was_asked(nodes: tuple[Node, Node]) -> None:
    """Also on a node that does not watch; a topic without presence has none."""
    here, there = nodes
    await here.screen("ada").watch("board")
    ctx = there.context("channel:members", user("eve"))

    members, count = await there.channels.members(ctx, "board")

    assert ([member.id for member in members], count) == (["ada"], 1)
    with pytest.raises(NotFound):
        await there.channels.members(ctx, "bell")
    with pytest.raises(NotSignedIn):
        await there.channels.members(there.context("channel:members", ANONYMOUS), "board")


class Names(MemberNames):
    """Names in capitals."""

    async def name_of(self, user_id: str) -> str:
        return user_id.upper()


@service
async def names() -> AsyncIterator[Names]:
    """What the accounts of an application give."""
    yield Names()


async def test_members_have_the_names_that_the_application_gives(valkey: ValkeyServer, store_prefix: str) -> None:
    """A service that fulfils MemberNames is asked once per user and node."""
    async with node(valkey.url, store_prefix, QUICK, more=(names,)) as here:
        answer = await here.screen("ada").watch("board")

        assert answer["members"][0]["name"] == "ADA"


async def test_a_node_that_ends_leaves_its_users_the_grace(valkey: ValkeyServer, store_prefix: str) -> None:
    """A deploy moves everybody to other nodes, and nobody is seen to leave."""
    async with node(valkey.url, store_prefix, QUICK) as here:
        watching = here.screen("ada")
        await watching.watch("board")
        async with node(valkey.url, store_prefix, QUICK) as there:
            gone, moved = there.screen("gone"), there.screen("moved")
            await gone.watch("board")
            await moved.watch("board")
            await wait_until(lambda: "+moved" in comings(watching), "they were never announced")
            for screen in (gone, moved):
                screen.lose()
        await here.screen("moved").watch("board")

        await wait_until(lambda: "-gone" in comings(watching), "who did not come back never left")
        assert "-moved" not in comings(watching)


async def test_a_node_that_was_killed_leaves_no_ghosts(valkey: ValkeyServer, store_prefix: str) -> None:
    """When its lease has ended, whichever node notices announces its users, once; who is elsewhere too stays."""
    async with node(valkey.url, store_prefix, QUICK) as here, node(valkey.url, store_prefix, QUICK) as third:
        watching, also = here.screen("ada"), third.screen("cy")
        await watching.watch("board")
        await also.watch("board")
        command = [sys.executable, "-m", "tests.services.channel_process", valkey.url, store_prefix, "ghost", "ada"]
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"watching\n"
        await wait_until(lambda: "+ghost" in comings(watching), "the other process was never seen")

        process.send_signal(SIGKILL)
        await process.wait()

        await wait_until(lambda: "-ghost" in comings(watching), "the ghost never left")
        await wait_until(lambda: "-ghost" in comings(also), "the ghost never left on the other node")
        answer = await third.screen("cy").watch("board")
        assert ids(answer["members"]) == ["ada", "cy"]
        assert comings(watching).count("-ghost") == comings(also).count("-ghost") == 1
        assert "-ada" not in comings(also)


async def test_a_node_that_stood_still_enters_its_users_again(nodes: tuple[Node, Node], store: Store) -> None:
    """A lease that was lost by mistake is noticed by the node itself."""
    here, there = nodes
    watching = here.screen("ada")
    await watching.watch("board")
    await there.screen("eve").watch("board")
    await wait_until(lambda: "+eve" in comings(watching), "eve was never announced")

    async def forgotten() -> bool:
        await store.client.zrem(store.key("{nodes}"), there.relay.node)
        return "-eve" in comings(watching)

    await wait_until(forgotten, "nobody noticed that the node has no lease")

    await wait_until(lambda: comings(watching)[-1:] == ["+eve"], "eve never came back")


async def test_presence_outlives_a_store_that_lost_everything(nodes: tuple[Node, Node], store: Store) -> None:
    """The lease is lost with everything else, so everybody is entered again, under versions that clients take."""
    here, there = nodes
    watching = here.screen("ada")
    await watching.watch("board")
    await there.screen("eve").watch("board")
    await wait_until(lambda: "+eve" in comings(watching), "eve was never announced")
    version = watching.of("presence")[-1]["version"]

    keys = [key async for key in store.client.scan_iter(match=f"{store.prefix}:*")]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # redis-py leaves it untyped
    await store.client.delete(*keys)  # pyright: ignore[reportUnknownArgumentType]  # as above

    async def both() -> bool:
        answer = await here.screen("cy").watch("board")
        return {"ada", "eve"} <= set(ids(answer["members"]))

    await wait_until(both, "somebody was lost")
    assert all(each["version"] >= version for each in watching.of("presence")[-1:])
