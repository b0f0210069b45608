"""Revocations: what has ended on one node is known on every node, and a node that may have missed some says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from antiphon.core.clock import RandomIds, SystemClock
from antiphon.core.errors import Unavailable
from antiphon.core.log import Silent
from antiphon.core.revocation import Revoked
from antiphon.services.revocations import RelayedRevocations
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay, RelaySettings
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until

QUICK = RelaySettings(ping_time=timedelta(milliseconds=100), first_wait=timedelta(milliseconds=10))


@asynccontextmanager
async def revocations_on(server: ValkeyServer) -> AsyncGenerator[tuple[RelayedRevocations, list[Revoked]]]:
    """The revocations of a node, and what it has been told."""
    store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=0.5))
    relay = Relay(store, QUICK, SystemClock(), RandomIds(), Silent())
    opened = RelayedRevocations(store, relay, Silent())
    told: list[Revoked] = []
    opened.subscribe(told.append)
    await relay.listen("t:ready", opened)
    relay.leave("t:ready", opened)
    try:
        yield opened, told
    finally:
        await opened.close()
        await relay.close()
        await store.close()


async def test_every_node_is_told_once() -> None:
    """The one that says it, too."""
    async with ValkeyServer(persistent=False) as server:
        async with revocations_on(server) as (one, mine), revocations_on(server) as (_, others):
            for revoked in (Revoked("session", "s1"), Revoked("user", "ada"), Revoked("rights", "eve")):
                await one.publish(revoked)

            await wait_until(lambda: len(others) == 3, "the other node was never told")
            assert mine == others == [Revoked("session", "s1"), Revoked("user", "ada"), Revoked("rights", "eve")]


async def test_this_node_is_told_even_without_a_store() -> None:
    """And who revokes learns that the others were not told."""
    async with ValkeyServer(persistent=False) as server, revocations_on(server) as (one, mine):
        await server.kill()

        with pytest.raises(Unavailable):
            await one.publish(Revoked("user", "ada"))

        assert mine == [Revoked("user", "ada")]


async def test_after_a_break_nothing_is_taken_for_granted() -> None:
    """Every node hears `unknown`: it has to look again who everybody is."""
    async with ValkeyServer(persistent=False) as server, revocations_on(server) as (_, told):
        await server.restart()

        await wait_until(lambda: Revoked("unknown") in told, "the break was never told")


async def test_a_message_of_another_version_is_unknown_too() -> None:
    """What cannot be read may have been a revocation."""
    async with ValkeyServer(persistent=False) as server, revocations_on(server) as (one, told):
        one.heard(b'{"something": "else"}')

        assert told == [Revoked("unknown")]


async def test_one_who_fails_does_not_keep_it_from_the_others() -> None:
    """Each is told for itself; who does not want to be told any more is not."""
    async with ValkeyServer(persistent=False) as server, revocations_on(server) as (one, told):
        later: list[Revoked] = []

        def fail(revoked: Revoked) -> None:
            raise RuntimeError("it fails")

        one.subscribe(fail)
        no_longer = one.subscribe(later.append)
        await one.publish(Revoked("user", "ada"))
        no_longer()
        await one.publish(Revoked("user", "eve"))

        assert (told, later) == ([Revoked("user", "ada"), Revoked("user", "eve")], [Revoked("user", "ada")])
