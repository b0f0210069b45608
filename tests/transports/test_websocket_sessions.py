"""Signing in and out on a socket, and what becomes of sockets when the session that they stand in ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from antiphon.core.revocation import Revocations, Revoked
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.transports.websocket_stage import QUICK_CHANNELS, SESSIONS, Server, Stage, Talker, on_stage


@pytest.fixture
async def live(tmp_path: Path, shared: tuple[str, str], server: Server) -> AsyncIterator[Stage]:
    """The application with sessions, on each server."""
    async with on_stage(tmp_path, shared, server, modules=SESSIONS, channels=QUICK_CHANNELS) as running:
        yield running


async def sign_in(live: Stage, name: str = "ada") -> str:
    """Sign in over HTTP; the cookie to come with."""
    answer = await live.ask("PUT", "/api/session", {"name": name})
    return str(answer.header("set-cookie")).partition(";")[0]


async def who(talker: Talker) -> str:
    """Who the socket is, or the error."""
    answer = await talker.call("who:am")
    return answer["result"]["text"] if "result" in answer else answer["error"]["type"]


# On the socket itself


async def test_calls_after_a_sign_in_are_signed_in(live: Stage) -> None:
    """From its reply on; nobody else is."""
    async with live.talker() as talker, live.talker() as other:
        assert await who(talker) == "NOT_SIGNED_IN"
        await talker.result("session:create", name="ada")

        assert (await who(talker), await who(other)) == ("ada", "NOT_SIGNED_IN")


async def test_the_session_id_never_goes_over_the_socket(live: Stage) -> None:
    """Scripts could read it there; the socket itself carries it."""
    async with live.talker() as talker:
        answer = await talker.call("session:create", name="ada")
        (client,) = live.clients

    assert str(client.connection.session_token) not in str(answer)


async def test_whoever_has_signed_in_may_stay(tmp_path: Path, shared: tuple[str, str]) -> None:
    """The ten seconds are for those who have not."""
    clock = StandingClock()
    async with on_stage(tmp_path, shared, modules=SESSIONS, clock=clock) as live, live.talker() as talker:
        await talker.result("session:create", name="ada")
        clock.move(timedelta(seconds=20))
        live.sweep()

        assert await who(talker) == "ada"


async def test_signing_out_answers_and_closes(live: Stage) -> None:
    """With 1000; the cookie that the socket came with is dead."""
    cookie = await sign_in(live)
    async with live.talker(cookie=cookie) as talker:
        await talker.say(id=5, action="session:destroy")

        assert await talker.closed() == 1000
        assert talker.kept == [{"id": 5, "result": None}]
    assert (await live.get("/api/who", cookie=cookie)).status == 401


async def test_signing_out_after_a_sign_in_on_the_socket(live: Stage) -> None:
    """Works the same."""
    async with live.talker() as talker:
        await talker.result("session:create", name="ada")
        await talker.say(action="session:destroy")

        assert await talker.closed() == 1000


async def test_a_sign_out_that_fails_afterwards_closes_too(live: Stage) -> None:
    """The error is its answer, and the session has ended all the same."""
    async with live.talker(cookie=await sign_in(live)) as talker:
        await talker.say(action="session:destroy", params={"fail": True})

        assert await talker.closed() == 1000
        assert talker.kept[0]["error"]["type"] == "FORBIDDEN"


async def test_calls_that_run_end_when_their_socket_signs_out(live: Stage) -> None:
    """Streams are ended, and other calls run on; nobody takes their results."""
    async with live.talker(cookie=await sign_in(live)) as talker:
        await talker.answer(await talker.say(action="count:endless"))
        await talker.say(action="session:destroy")

        assert await talker.closed() == 1000
    await asyncio.wait_for(live.watch.event("closed").wait(), 10)


async def test_a_new_id_on_the_socket_goes_on(live: Stage) -> None:
    """Whoever rotates the session on a socket keeps it; the others of the session come back with the new id."""
    cookie = await sign_in(live)
    async with live.talker(cookie=cookie) as talker, live.talker(cookie=cookie) as other:
        await talker.result("session:rotate")

        assert await other.closed() == 4002
        assert await who(talker) == "ada"


async def test_signing_in_as_somebody_else_goes_on(live: Stage) -> None:
    """The socket is theirs from then on."""
    async with live.talker(cookie=await sign_in(live)) as talker:
        await talker.result("session:create", name="eve")

        assert await who(talker) == "eve"
        assert [client.caller.id for client in live.clients] == ["eve"]


async def test_a_late_answer_of_before_does_not_sign_out(live: Stage) -> None:
    """A call that began with a session that is dead meanwhile ends after a sign-in: the sign-in counts."""
    cookie = await sign_in(live)
    async with live.talker(cookie=cookie) as talker:
        await talker.say(id="slow", action="who:slow")
        await live.watch.event("who began").wait()
        await talker.result("session:create", name="eve")
        live.watch.event("who goes on").set()
        await talker.answer("slow")

        assert await who(talker) == "eve"


async def test_one_socket_too_many_by_signing_in_is_closed(
    tmp_path: Path, shared: tuple[str, str], server: Server
) -> None:
    """With 4509, as it could not have been opened; the sign-in itself is answered."""
    async with on_stage(tmp_path, shared, server, modules=SESSIONS, websocket={"per_user": 2}) as live:
        async with AsyncExitStack() as stack:
            one, two, three = [await stack.enter_async_context(live.talker()) for _ in range(3)]
            for talker in (one, two):
                await talker.result("session:create", name="ada")
            await three.say(action="session:create", params={"name": "ada"})

            assert await three.closed() == 4509
            assert "result" in three.kept[0]
            assert [await who(talker) for talker in (one, two)] == ["ada", "ada"]


async def test_doors_are_asked_again_after_a_sign_in(live: Stage) -> None:
    """Somebody who was watching as nobody is on the list as who they are now."""
    async with live.talker() as talker:
        assert (await talker.watch("news"))["members"] == []
        await talker.result("session:create", name="ada")

        assert (await talker.shown("news", "presence"))["presence"]["joined"][0]["id"] == "ada"


# From elsewhere


async def test_signing_out_elsewhere_closes(live: Stage) -> None:
    """Every socket of that session with 4501, also those of a ticket; and no other session of the user."""
    ada, again = await sign_in(live), await sign_in(live)
    ticket = (await live.ask("POST", "/api/socket/ticket", cookie=ada)).json["ticket"]
    async with (
        live.talker(cookie=ada) as one,
        live.talker(f"?ticket={ticket}") as two,
        live.talker(cookie=again) as other,
    ):
        await live.ask("DELETE", "/api/session", cookie=ada)

        assert await asyncio.gather(one.closed(), two.closed()) == [4501, 4501]
        assert await who(other) == "ada"


async def test_a_socket_that_signed_in_by_itself_is_found(live: Stage) -> None:
    """The end of a session closes sockets that entered it later too."""
    cookie = await sign_in(live)
    async with live.talker() as talker:
        await talker.result("session:create", name="ada")
        await live.ask("POST", "/api/session/others", cookie=cookie)

        assert await talker.closed() == 4501


async def test_disabling_a_user_closes(live: Stage) -> None:
    """All of theirs, and nobody else's."""
    async with (
        live.talker(cookie=await sign_in(live)) as one,
        live.talker(cookie=await sign_in(live)) as two,
        live.talker(cookie=await sign_in(live, "eve")) as eve,
    ):
        await live.ask("POST", "/api/disable", {"name": "ada"})

        assert await asyncio.gather(one.closed(), two.closed()) == [4501, 4501]
        assert await who(eve) == "eve"


async def test_every_node_hears_of_it(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Sockets on another node close as well, within a second."""
    async with (
        on_stage(tmp_path / "one", shared, modules=SESSIONS) as here,
        on_stage(tmp_path / "two", shared, modules=SESSIONS) as there,
    ):
        cookie = await sign_in(here)
        rotated, ended = await sign_in(here), await sign_in(here, "eve")
        await both_listen(here, there)
        async with (
            there.talker(cookie=cookie) as one,
            there.talker(cookie=rotated) as two,
            there.talker(cookie=ended) as three,
        ):
            async with asyncio.timeout(5):
                await here.ask("DELETE", "/api/session", cookie=cookie)
                assert await one.closed() == 4501
                await here.ask("POST", "/api/session/rotate", cookie=rotated)
                assert await two.closed() == 4002
                await here.ask("POST", "/api/disable", {"name": "eve"})
                assert await three.closed() == 4501


async def both_listen(here: Stage, there: Stage) -> None:
    """Wait until a node hears what the other one says."""
    heard: list[Revoked] = []
    forget = there.runtime.require(Revocations, "the test").subscribe(heard.append)

    async def hears() -> bool:
        await here.runtime.require(Revocations, "the test").publish(Revoked("rights", "nobody"))
        return bool(heard)

    await wait_until(hears, "the other node never listened")
    forget()


# By itself


PATIENT = {"ping_time": "1000h"}
"""Silence is not what these tests are about."""


async def sweep_until_gone(live: Stage) -> None:
    """Let seconds pass without time going on, until no socket is left."""

    def gone() -> bool:
        live.sweep()
        return not live.clients

    await wait_until(gone, "no sweep ever ended it")


@pytest.mark.parametrize("life", ["idle_time", "life_time"])
async def test_the_end_of_a_life_closes(tmp_path: Path, shared: tuple[str, str], life: str) -> None:
    """Nobody tells of it: a session that runs out is found out with the next sweep, and not before its end."""
    clock = StandingClock()
    lives = {"idle_time": "2h", "life_time": "5h", "touch_time": "0s"}
    async with on_stage(tmp_path, shared, modules=SESSIONS, clock=clock, session=lives, websocket=PATIENT) as live:
        async with live.talker(cookie=await sign_in(live)) as talker:
            for _ in range(3 if life == "life_time" else 0):
                clock.move(timedelta(minutes=90))
                assert await who(talker) == "ada"
            clock.move(timedelta(minutes=29 if life == "life_time" else 119))
            live.sweep()
            await wait_until(lambda: not live.desk.tasks, "the look never ended")
            assert live.clients[0].socket.is_open
            clock.move(timedelta(minutes=1, seconds=1))
            await sweep_until_gone(live)

            assert await talker.closed() == 4501


async def test_a_session_that_is_used_elsewhere_lives_on(tmp_path: Path, shared: tuple[str, str]) -> None:
    """And the look at it does not count as a use."""
    clock = StandingClock()
    async with on_stage(
        tmp_path, shared, modules=SESSIONS, clock=clock, session={"idle_time": "2h"}, websocket=PATIENT
    ) as live:
        cookie = await sign_in(live)
        async with live.talker(cookie=cookie) as talker:
            clock.move(timedelta(hours=1))
            assert (await live.get("/api/who", cookie=cookie)).status == 200
            clock.move(timedelta(minutes=90))
            live.sweep()
            await wait_until(lambda: not live.desk.tasks, "the look never ended")
            assert live.clients[0].socket.is_open
            clock.move(timedelta(minutes=31))
            await sweep_until_gone(live)

            assert await talker.closed() == 4501


async def test_a_call_that_finds_the_session_dead_closes_behind_its_answer(
    tmp_path: Path, shared: tuple[str, str]
) -> None:
    """With 4501: the client learns that it has to sign in."""
    clock = StandingClock()
    async with on_stage(tmp_path, shared, modules=SESSIONS, clock=clock) as live:
        async with live.talker(cookie=await sign_in(live)) as talker:
            clock.move(timedelta(days=2))
            await talker.say(action="who:am")

            assert await talker.closed() == 4501
            assert talker.kept[0]["error"]["type"] == "NOT_SIGNED_IN"


async def test_after_a_broken_relay_everybody_is_looked_at(tmp_path: Path, shared: tuple[str, str]) -> None:
    """What this node may have missed is found out; whoever is still signed in stays."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        ada, eve = await sign_in(live), await sign_in(live, "eve")
        async with live.talker(cookie=ada) as one, live.talker(cookie=eve) as two:
            (client,) = [each for each in live.clients if each.caller.id == "ada"]
            # As if the end of this one had been told while nobody could hear it.
            live.desk.stand(client, client.standing._replace(sid="somebody else's"))
            await live.ask("DELETE", "/api/session", cookie=ada)
            live.desk.revoked(Revoked("unknown"))

            assert await one.closed() == 4501
            assert await who(two) == "eve"


async def test_while_the_store_is_away_nobody_is_sent_away(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What cannot be read is asked again: sockets stay open, and calls are told that the store is away.

    The log tells of the outage once, and not for each socket.
    """
    async with ValkeyServer() as valkey:
        async with on_stage(tmp_path, (valkey.url, "t"), modules=SESSIONS, log={"level": "warning"}) as live:
            cookie = await sign_in(live)
            async with live.talker(cookie=cookie) as talker:
                await valkey.kill()
                live.desk.revoked(Revoked("unknown"))
                live.sweep()
                assert await who(talker) == "UNAVAILABLE"
                (client,) = live.clients
                await wait_until(lambda: client.standing.look_at < float("inf"), "it was never looked at")
                await valkey.start()

                await wait_until(lambda: asks(talker), "the store never came back", within=15)
    told = capfd.readouterr().err
    assert told.count('"event":"store.away"') == 1
    assert "websocket.not_looked" not in told


async def asks(talker: Talker) -> bool:
    """Whether the socket is Ada's again."""
    return await who(talker) == "ada"
