"""Doors: asked at every subscribe, and again when something may have changed; a refusal ends the topic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from antiphon.core.caller import ANONYMOUS
from antiphon.core.channel import channel
from antiphon.core.context import Context
from antiphon.core.errors import Defect, Forbidden, Unavailable
from antiphon.core.revocation import Revocations, Revoked
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Posted, Screen, ask, node, post_in, user

BARRED = frozenset({"barred"})


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        yield first, await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))


async def two_in_a_room(on: Node) -> tuple[Screen, Screen]:
    """Ada, whose rights are gone by now, and Eve."""
    ada, eve = on.screen("ada"), on.screen("eve")
    await ada.watch("room:1")
    await eve.watch("room:1")
    ada.caller = user("ada", roles=BARRED)
    return ada, eve


async def test_a_door_that_breaks_is_our_fault_and_tells_nothing(nodes: tuple[Node, Node]) -> None:
    """The watcher is told of a defect; what went wrong is for the log."""
    screen = nodes[0].screen()

    with pytest.raises(Defect):
        await screen.watch("broken")

    assert not screen.watches


async def test_an_application_can_have_a_door_asked_again(nodes: tuple[Node, Node]) -> None:
    """On every node, for one user, at the end of the call; the others go on."""
    here, there = nodes
    ada, eve = await two_in_a_room(there)

    await here.run(ask, room_id=1, user_id="ada")

    assert await ada.shown("ended") == {"type": "FORBIDDEN", "message": "You may not do this."}
    await here.run(post_in, room_id=1, body="hi")
    await eve.sees("hi")
    assert ada.bodies == []
    assert not ada.watches


async def test_changed_rights_ask_every_door_of_the_user_on_every_node(nodes: tuple[Node, Node]) -> None:
    """Whoever changes them only has to say so."""
    here, there = nodes
    ada, eve = await two_in_a_room(there)
    revocations = here.runtime.require(Revocations, "the test")
    await wait_until(lambda: _hears(there), "the node never listened to revocations")

    await revocations.publish(Revoked("rights", "ada"))

    await ada.shown("ended")
    assert eve.of("ended") == []


def _hears(on: Node) -> bool:
    ears = on.relay._ears  # pyright: ignore[reportPrivateUsage]  # nothing else shows when the server has confirmed
    return any(name.endswith("revoked") and ear.confirmed.is_set() for name, ear in ears.items())


async def test_doors_are_asked_again_by_themselves(valkey: ValkeyServer, store_prefix: str) -> None:
    """Every five minutes, by the application's clock, and not before."""
    clock = StandingClock()
    async with node(valkey.url, store_prefix, clock=clock) as here:
        ada, eve = await two_in_a_room(here)
        settings = here.hub.settings
        clock.move(settings.door_time - settings.gather_time)
        await here.run(post_in, room_id=1, body="still")
        await ada.sees("still")

        async def ended() -> bool:
            clock.move(settings.gather_time)
            return bool(ada.of("ended"))

        await wait_until(ended, "the door was never asked again")

        assert eve.of("ended") == []
        assert eve.bodies == ["still"]


async def test_a_door_that_cannot_answer_does_not_end_anything(valkey: ValkeyServer, store_prefix: str) -> None:
    """A database that is away is no refusal: the door is asked again soon, and its answer counts then."""
    clock, answers = StandingClock(), list[Exception]()

    @channel("attic", Posted)
    async def attic(ctx: Context) -> None:
        if answers:
            raise answers.pop(0)

    async with node(valkey.url, store_prefix, more=(attic,), clock=clock) as here:
        screen = here.screen("ada")
        await screen.watch("attic")
        answers += [Unavailable(), Forbidden()]

        await here.hub.ask_door(screen.watches["attic"])
        ended = [*screen.of("ended")]
        clock.move(timedelta(seconds=5))

        await screen.shown("ended")
        assert ended == []


async def test_another_user_on_the_same_connection_is_asked_again(nodes: tuple[Node, Node]) -> None:
    """After a sign-in on a socket the topic shows who is there now."""
    here, _ = nodes
    watching, screen = here.screen("ada"), here.screen("eve")
    await watching.watch("board")
    await screen.watch("board")

    screen.caller = user("cy")
    here.channels.ask_watcher(screen)

    def told() -> list[str]:
        shown = [each for presence in watching.of("presence") for each in presence.get("joined", [])]
        return [each["id"] for each in shown]

    await wait_until(lambda: "cy" in told(), "cy was never announced")
    assert screen.of("ended") == []


async def test_who_has_signed_out_is_ended(nodes: tuple[Node, Node]) -> None:
    """The door lets nobody in whom it does not know."""
    here, _ = nodes
    screen = here.screen("ada")
    await screen.watch("board")

    screen.caller = ANONYMOUS
    here.channels.ask_watcher(screen)

    assert (await screen.shown("ended"))["type"] == "NOT_SIGNED_IN"


async def test_another_tenant_on_the_same_connection_is_ended(nodes: tuple[Node, Node]) -> None:
    """The topic of one tenant is never shown to another."""
    here, _ = nodes
    screen = here.screen("ada", tenant_id="red")
    await screen.watch("room:1")

    screen.caller = user("ada", tenant_id="blue")
    here.channels.ask_watcher(screen)

    assert (await screen.shown("ended"))["type"] == "FORBIDDEN"
