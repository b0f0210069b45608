"""An end is an end everywhere: what one node ends, closes on another; and a token's own end closes what it opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from antiphon import Context, Module, Struct, action, allow, get, signed_in
from antiphon.modules.accounts.disabling import disable_user
from antiphon.modules.accounts.roles import grant_role, revoke_role
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from antiphon.transports.http.transport import Http
from tests.modules.identity_people import FREE_GUESSES, ME, bearer, refreshed, status_of, with_tokens
from tests.olympus_stage import PASSWORD, Olympus, Person, olympus_on
from tests.transports.websocket_stage import talking

ANOTHER_PASSWORD = "a quiet harbour, before the storm"
HARP, LUTE = "Harp/1.0", "Lute/2.0"


class Beat(Struct):
    """A sign of life."""

    n: int


@action("beats:watch", get("/beats"), allow(signed_in))
async def watch_beats(ctx: Context) -> AsyncIterator[Beat]:
    """One beat, and then none for as long as somebody listens."""
    yield Beat(1)
    await asyncio.Event().wait()


type Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> Start:
    """Begins a node: all that a test begins share a database, a store and a folder."""

    def node(**more: Any) -> Any:
        return olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, modules=[Module(__name__)], **more)

    return node


@asynccontextmanager
async def beating(olympus: Olympus, headers: Mapping[str, str]) -> AsyncGenerator[RawHttp]:
    """An event stream of this caller, which has had its first event."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    async with RawHttp.to("127.0.0.1", olympus.running.port) as connection:
        await connection.send(
            f"GET /api/beats HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{lines}\r\n".encode()
        )
        assert (await connection.head()).status == 200
        assert b'"n":1' in await connection.chunk()
        yield connection


def cookie_of(person: Person) -> str:
    """The cookie of somebody's client."""
    return "; ".join(f"{name}={value}" for name, value in person.client.cookies.items())


# Told by one node, done by another


async def sign_out(here: Olympus, ada: Person, tokens: dict[str, Any]) -> None:
    """Sign out both."""
    await ada.client.delete("/api/session")
    await here.client().delete("/api/session", bearer(tokens["accessToken"]))


async def revoke_others(here: Olympus, ada: Person, tokens: dict[str, Any]) -> None:
    """End every other device, from a third one."""
    third = await with_tokens(here, ada)
    await here.client().delete("/api/sessions/others", bearer(third["accessToken"]))


async def change_password(here: Olympus, ada: Person, tokens: dict[str, Any]) -> None:
    """Change the password, from a third device."""
    third = await with_tokens(here, ada)
    body = {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD}
    await here.client().post("/api/user", body, bearer(third["accessToken"]))


async def disable(here: Olympus, ada: Person, tokens: dict[str, Any]) -> None:
    """Disable the user."""
    await here.running.call(disable_user, ada.id)


ENDINGS = {"sign-out": sign_out, "revoke": revoke_others, "password": change_password, "disable": disable}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_what_ends_on_one_node_ends_on_another(start: Start, ending: str) -> None:
    """Sockets of a cookie and of a token are closed with 4501, and event streams end with NOT_SIGNED_IN."""
    async with start() as here, start() as there:
        ada = await here.person("Ada")
        tokens = await with_tokens(here, ada)
        shown = [{"Cookie": cookie_of(ada)}, bearer(tokens["accessToken"])]
        port = there.running.port
        async with (
            talking(port, cookie=cookie_of(ada)) as one,
            talking(port, authorization=f"Bearer {tokens['accessToken']}") as two,
            beating(there, shown[0]) as three,
            beating(there, shown[1]) as four,
        ):
            await ENDINGS[ending](here, ada, tokens)
            codes = [await each.closed() for each in (one, two)]
            told = [await each.chunk() for each in (three, four)]
        after = [(await there.client().get(ME, headers)).status for headers in shown]

    assert codes == [4501, 4501]
    assert [b"NOT_SIGNED_IN" in each for each in told] == [True, True]
    assert after == [401, 401]


async def test_a_theft_on_one_node_ends_what_is_open_on_another(start: Start) -> None:
    """Within ten seconds too, when the refresh token is shown by another device."""
    async with start() as here, start() as there:
        ada = await here.person("Ada", signed_in=False)
        tokens = await with_tokens(here, ada, agent=HARP)
        shown = bearer(tokens["accessToken"])
        async with (
            talking(there.running.port, authorization=shown["Authorization"]) as socket,
            beating(there, shown) as stream,
        ):
            second = await refreshed(here, tokens["refreshToken"], agent=HARP)
            stolen = await refreshed(there, tokens["refreshToken"], agent=LUTE)
            code, told = await socket.closed(), await stream.chunk()
        last = await refreshed(here, second.json["refreshToken"], agent=HARP)

    assert (second.status, stolen.status, last.status) == (200, 401, 401)
    assert code == 4501
    assert b"NOT_SIGNED_IN" in told


async def test_fifty_refreshes_at_once_on_two_nodes_have_one_successor(start: Start) -> None:
    """Whoever is answered, by whichever node, is told the same token, and it goes on."""
    async with start(settings=FREE_GUESSES) as here, start(settings=FREE_GUESSES) as there:
        tokens = await with_tokens(here, await here.person("Ada", signed_in=False), agent=HARP)

        answers = await asyncio.gather(
            *(refreshed(node, tokens["refreshToken"], agent=HARP) for _ in range(25) for node in (here, there))
        )
        (successor,) = {answer.json["refreshToken"] for answer in answers if answer.status == 200}
        again = await refreshed(there, successor, agent=HARP)

    assert {answer.status for answer in answers} <= {200, 503}
    assert again.status == 200


async def test_a_role_that_is_taken_is_gone_on_an_open_socket_of_another_node(start: Start) -> None:
    """Its next calls are those of somebody who has it no more; the socket stays."""
    async with start() as here, start() as there:
        hera = await here.admin()
        async with talking(there.running.port, cookie=cookie_of(hera)) as talker:
            before = await talker.call("roles:list")
            await here.running.call(revoke_role, hera.id, "admin")

            async def is_refused() -> bool:
                return "error" in await talker.call("roles:list")

            await wait_until(is_refused, "the role went on")
            after = await talker.refusal(action="roles:list")
            known = await talker.result("user:me")

    assert "result" in before
    assert (after, known["user"]["id"]) == ("FORBIDDEN", hera.id)


async def test_a_role_that_is_given_ends_the_tokens_of_before_on_another_node(start: Start) -> None:
    """Its socket is closed with 4501; the next token has the role."""
    async with start() as here, start() as there:
        ada = await here.person("Ada", signed_in=False)
        tokens = await with_tokens(here, ada)
        async with talking(there.running.port, authorization=f"Bearer {tokens['accessToken']}") as talker:
            await here.running.call(grant_role, ada.id, "admin")
            code = await talker.closed()
        renewed = (await refreshed(there, tokens["refreshToken"])).json

        assert code == 4501
        assert await status_of(there, tokens["accessToken"]) == 401
        assert await status_of(there, renewed["accessToken"], "/api/v1/roles") == 200


# By themselves


async def test_a_stream_ends_when_its_token_or_session_does(start: Start) -> None:
    """With NOT_SIGNED_IN; one of a session that is used meanwhile goes on."""
    clock = StandingClock()
    async with start(clock=clock) as olympus:
        streams = olympus.running.app.transport(Http).server.streams
        ada, ben = await olympus.person("Ada"), await olympus.person("Ben")
        tokens = await with_tokens(olympus, ada)
        async with (
            beating(olympus, bearer(tokens["accessToken"])) as of_token,
            beating(olympus, {"Cookie": cookie_of(ada)}) as used,
            beating(olympus, {"Cookie": cookie_of(ben)}) as unused,
        ):
            clock.move(timedelta(minutes=10))
            streams.sweep()
            told = await of_token.chunk()
            clock.move(timedelta(hours=12))
            await ada.client.get(ME)
            clock.move(timedelta(hours=12))
            streams.sweep()
            over = await unused.chunk()
            await wait_until(lambda: len(streams) == 1, "the streams that ended were kept")
            await ada.client.delete("/api/session")
            last = await used.chunk()

    assert all(b"NOT_SIGNED_IN" in each for each in (told, over, last))


async def test_hello_says_who_the_socket_is(start: Start) -> None:
    """By id and name, as the answer to a token does; nobody is null."""
    async with start() as olympus:
        ada = await olympus.person("Ada")
        async with talking(olympus.running.port, cookie=cookie_of(ada)) as one, talking(olympus.running.port) as two:
            hellos = [each.hello["user"] for each in (one, two)]

    assert hellos == [{"id": ada.id, "name": "Ada"}, None]
