"""The relay: what is said under a name is heard by all who listen, and whoever may have missed something is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from antiphon.core.clock import RandomIds, SystemClock
from antiphon.core.errors import Unavailable
from antiphon.core.health import Health
from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay, RelaySettings
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until

QUICK = RelaySettings(
    ping_time=timedelta(milliseconds=50),
    first_wait=timedelta(milliseconds=10),
    most_wait=timedelta(milliseconds=100),
)


class Hears:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.gaps = 0

    def heard(self, message: bytes) -> None:
        """Remember a message."""
        self.messages.append(message)

    def missed(self) -> None:
        """Count a gap."""
        self.gaps += 1


class Stumbles(Hears):
    """A listener that fails."""

    def heard(self, message: bytes) -> None:
        """Fail."""
        raise RuntimeError("it stumbles")


@asynccontextmanager
async def relay_on(
    server: ValkeyServer, settings: RelaySettings = QUICK, clock: StandingClock | None = None
) -> AsyncGenerator[Relay]:
    """A relay of its own, on a store of its own."""
    store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=0.5))
    relay = Relay(store, settings, clock or SystemClock(), RandomIds(), Silent())
    try:
        yield relay
    finally:
        await relay.close()
        await store.close()


async def connections(server: ValkeyServer) -> list[str]:
    """The server's clients that are subscribed to something."""
    store = Store(server.url, prefix="t", log=Silent())
    try:
        clients = (await store.client.execute_command("CLIENT", "LIST")).decode().splitlines()
        return [client for client in clients if " sub=0 " not in client]
    finally:
        await store.close()


async def test_what_is_said_is_heard_in_order(valkey: ValkeyServer) -> None:
    """By every listener of the name, on the node that says it and on others, from the moment `listen` returns."""
    async with relay_on(valkey) as one, relay_on(valkey) as two:
        mine, others, another = Hears(), Hears(), Hears()
        await one.listen("t:a", mine)
        await two.listen("t:a", others)
        await two.listen("t:b", another)

        for number in range(100):
            await one.say("t:a", b"%d" % number)

        await wait_until(lambda: len(mine.messages) == len(others.messages) == 100, "not everything was heard")
        assert mine.messages == others.messages == [b"%d" % number for number in range(100)]
        assert another.messages == []


async def test_a_process_has_one_listening_connection() -> None:
    """However many names there are."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        await asyncio.gather(*(relay.listen(f"t:{number}", Hears()) for number in range(1_200)))

        assert len(await connections(server)) == 1


async def test_nobody_listens_and_nothing_is_connected() -> None:
    """A command that only publishes costs no connection for listening."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        await relay.say("t:a", b"to nobody")

        assert await connections(server) == []
        assert await relay.check_health() is Health.UP


async def test_who_has_left_hears_nothing(valkey: ValkeyServer) -> None:
    """And leaving twice is no error; who comes back hears again."""
    async with relay_on(valkey) as relay:
        gone, stays = Hears(), Hears()
        await relay.listen("t:a", gone)
        await relay.listen("t:a", stays)

        relay.leave("t:a", gone)
        relay.leave("t:a", gone)
        await relay.say("t:a", b"one")
        await wait_until(lambda: stays.messages, "it was never heard")
        await relay.listen("t:a", gone)
        await relay.say("t:a", b"two")

        await wait_until(lambda: gone.messages, "it was never heard again")
        assert (gone.messages, stays.messages) == ([b"two"], [b"one", b"two"])


async def test_a_name_that_is_left_and_taken_at_once_is_heard(valkey: ValkeyServer) -> None:
    """Answers to the older commands are not taken for the newest one."""
    async with relay_on(valkey) as relay:
        hears = Hears()
        for number in range(50):
            await relay.listen("t:a", hears)
            await relay.say("t:a", b"%d" % number)
            await wait_until(lambda: hears.messages[-1:] == [b"%d" % number], "it was not heard")  # noqa: B023  # it is called within the turn
            relay.leave("t:a", hears)


async def test_a_listener_that_fails_makes_nobody_deaf(valkey: ValkeyServer) -> None:
    """It is logged, and the others hear."""
    async with relay_on(valkey) as relay:
        hears = Hears()
        await relay.listen("t:a", Stumbles())
        await relay.listen("t:a", hears)

        await relay.say("t:a", b"one")
        await relay.say("t:a", b"two")

        await wait_until(lambda: len(hears.messages) == 2, "the other one was made deaf")


async def test_without_a_store_listening_is_unavailable() -> None:
    """Within the time of a command, and nothing is left of it."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        await server.kill()

        with pytest.raises(Unavailable):
            await relay.listen("t:a", Hears())
        with pytest.raises(Unavailable):
            await relay.say("t:a", b"")


async def test_after_a_restart_of_the_store_everybody_is_told_once() -> None:
    """All names are listened to again, and then each listener hears that it may have missed something."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        hears = [Hears() for _ in range(3)]
        for number, each in enumerate(hears):
            await relay.listen(f"t:{number % 2}", each)

        await server.restart()

        await wait_until(lambda: all(each.gaps for each in hears), "somebody was never told")
        await relay.say("t:0", b"again")
        await wait_until(lambda: hears[0].messages and hears[2].messages, "the name was not taken again")
        assert [each.gaps for each in hears] == [1, 1, 1]


async def test_who_begins_to_listen_after_a_break_has_missed_nothing() -> None:
    """Only who listened before it is told."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        before, after = Hears(), Hears()
        await relay.listen("t:a", before)
        await server.restart()
        await wait_until(lambda: before.gaps, "the break was never told")

        await relay.listen("t:b", after)

        assert after.gaps == 0


async def test_a_deaf_relay_says_so_and_hears_again() -> None:
    """A store that hangs keeps the connection open: only what it says to itself, and does not hear, tells."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        hears = Hears()
        await relay.listen("t:a", hears)
        assert await relay.check_health() is Health.UP

        server.pause()
        await wait_until(lambda: relay.deaf, "it never noticed")
        down = await relay.check_health()
        server.resume()

        await wait_until(lambda: not relay.deaf, "it never heard again")
        await wait_until(lambda: hears.gaps, "nobody was told")
        assert down is Health.DOWN
        assert await relay.check_health() is Health.UP
        await relay.say("t:a", b"again")
        await wait_until(lambda: hears.messages, "it does not hear, though it says so")


async def test_a_subscription_that_the_server_forgot_is_noticed() -> None:
    """A proxy that reconnects for us, a failover: the connection is there, and the names are not."""
    async with ValkeyServer(persistent=False) as server, relay_on(server) as relay:
        hears = Hears()
        await relay.listen("t:a", hears)
        connection = relay._connection  # pyright: ignore[reportPrivateUsage]  # what no proxy of a test could do
        assert connection is not None
        await connection.send_command("UNSUBSCRIBE", check_health=False)

        await wait_until(lambda: hears.gaps, "it never noticed")

        await relay.say("t:a", b"again")
        await wait_until(lambda: hears.messages, "it does not hear")


async def test_one_missing_message_is_no_loss() -> None:
    """It takes two of them, by the application's clock: the third turn finds out."""
    clock, turns = StandingClock(), list[None]()
    async with ValkeyServer(persistent=False) as server, relay_on(server, QUICK, clock) as relay:
        await relay.listen("t:a", Hears())
        await server.kill()

        def deaf() -> bool:
            if not relay.deaf:
                turns.append(clock.move(QUICK.ping_time))
            return relay.deaf

        await wait_until(deaf, "it never noticed")

        assert len(turns) >= 3
