"""Who may open a socket, how the others are refused, and what is said first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from antiphon.testing.engines import ValkeyServer
from tests.transports.serving import HOST
from tests.transports.websocket_stage import SESSIONS, Server, Stage, on_stage

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_hello_is_the_first_frame(live_anyhow: Stage) -> None:
    """It names the connection, says who nobody is, and what a client has to keep to."""
    async with live_anyhow.talker() as talker:
        hello = talker.hello

    assert len(hello.pop("connectionId")) == 36
    assert hello == {"version": 1, "user": None, "pingSeconds": 25, "frameBytes": 65536}


async def test_hello_says_who_one_is(live_anyhow: Stage) -> None:
    """As the handshake has shown."""
    async with live_anyhow.talker(authorization="Bearer ada") as talker:
        assert talker.hello["user"] == {"id": "ada", "name": ""}


async def test_every_connection_has_an_id_of_its_own(live_anyhow: Stage) -> None:
    """No two sockets are called the same."""
    async with live_anyhow.talker() as one, live_anyhow.talker() as other:
        ids = {talker.hello["connectionId"] for talker in (one, other)}

    assert len(ids) == 2


async def test_the_subprotocol_is_confirmed_when_offered(live_anyhow: Stage) -> None:
    """And a client that offers others too is told which one is spoken."""
    offered = [Subprotocol("soap"), Subprotocol("antiphon.v1")]

    async with connect(f"ws://{HOST}:{live_anyhow.port}/ws", subprotocols=offered, proxy=None) as client:
        assert client.subprotocol == "antiphon.v1"


async def test_a_socket_opens_without_a_subprotocol(live_anyhow: Stage) -> None:
    """Nothing is confirmed that was not offered."""
    async with live_anyhow.talker() as talker:
        assert talker.connection.subprotocol is None


async def test_compression_is_off(live: Stage) -> None:
    """Though it was offered."""
    async with connect(f"ws://{HOST}:{live.port}/ws", compression="deflate", proxy=None) as client:
        assert client.protocol.extensions == []


async def test_compression_can_be_switched_on(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Then it is agreed on without context takeover, and calls go as before."""
    async with on_stage(tmp_path, shared, websocket={"deflate": True}) as live:
        async with connect(f"ws://{HOST}:{live.port}/ws", compression="deflate", proxy=None) as client:
            await client.recv()
            await client.send('{"id":1,"action":"big:get","params":{"size":5000}}')

            assert len(await client.recv()) > 5000
            assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]


# Refused


async def test_a_plain_request_is_426(live_anyhow: Stage) -> None:
    """It is told what to upgrade to, and to which version."""
    answer = await live_anyhow.get("/ws")

    assert (answer.status, answer.type) == (426, "UPGRADE_REQUIRED")
    assert (answer.header("upgrade"), answer.header("sec-websocket-version")) == ("websocket", "13")


@pytest.mark.parametrize("version", ["12", "8", "0", "14"])
async def test_another_version_is_426(live: Stage, version: str) -> None:
    """It is told which version there is."""
    async with live.connect() as connection:
        answer = await connection.get("/ws", {**UPGRADE, "Sec-WebSocket-Version": version})

    assert (answer.status, answer.header("sec-websocket-version")) == (426, "13")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://localhost",
        "http://app.example",
        "https://app.example:444",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "HTTPS://APP.EXAMPLE",
    ],
)
async def test_a_foreign_origin_is_403(tmp_path: Path, shared: tuple[str, str], server: Server, origin: str) -> None:
    """Every variant of a listed one is foreign too."""
    async with on_stage(tmp_path, shared, server, http={"origins": ["https://app.example"]}) as live:
        refused = await live.refused(origin=origin)

        assert (refused.status, refused.type) == (403, "FORBIDDEN")
        assert not live.clients


async def test_the_own_and_a_listed_origin_are_let_in(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """And so is a client that names none, which is no browser."""
    async with on_stage(tmp_path, shared, server, http={"origins": ["https://app.example"]}) as live:
        for headers in ({"origin": f"http://{HOST}:{live.port}"}, {"origin": "https://app.example"}, {}):
            async with live.talker(**headers) as talker:
                assert "result" in await talker.ask(ping=True)


async def test_a_foreign_origin_is_refused_before_anybody_is_looked_up(tmp_path: Path, shared: tuple[str, str]) -> None:
    """A ticket that a page got hold of is not spent by a page that may not open sockets."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        cookie = await sign_in(live)
        ticket = (await live.ask("POST", "/api/socket/ticket", cookie=cookie)).json["ticket"]

        assert (await live.refused(f"?ticket={ticket}", origin="https://evil.example")).status == 403
        async with live.talker(f"?ticket={ticket}") as talker:
            assert (await talker.result("who:am"))["text"] == "ada"


@pytest.mark.parametrize("bearer", ["", "Bearer", "Bearer "])
async def test_a_bearer_token_that_does_not_verify_is_401(live_anyhow: Stage, bearer: str) -> None:
    """With the challenge that says how to come."""
    refused = await live_anyhow.refused(authorization=bearer or "bearer")

    assert (refused.status, refused.type) == (401, "NOT_SIGNED_IN")
    assert refused.header("www-authenticate") is not None


async def test_a_bearer_token_that_does_not_verify_is_not_replaced_by_a_cookie(
    tmp_path: Path, shared: tuple[str, str]
) -> None:
    """Whoever shows a token is known by it or not at all."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        cookie = await sign_in(live)

        assert (await live.refused(cookie=cookie, authorization="Bearer nonsense")).status == 401


async def test_other_schemes_are_between_client_and_proxy(live: Stage) -> None:
    """Basic is no token of ours: the caller is anonymous."""
    async with live.talker(authorization="Basic YWRhOmFkYQ==") as talker:
        assert talker.hello["user"] is None


async def test_a_user_has_a_bounded_number_of_sockets(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """One more is 429 with Retry-After; somebody else comes in, and so does the user when one has gone."""
    async with on_stage(tmp_path, shared, server, websocket={"per_user": 2}) as live:
        async with live.ada(), live.ada() as second:
            refused = await live.refused(authorization="Bearer ada")
            assert (refused.status, refused.type) == (429, "TOO_MANY_CALLS")
            assert refused.header("retry-after") == "5"
            async with live.talker(authorization="Bearer eve"):
                await second.connection.close()
            await live.gone_to(1)
            async with live.ada():
                assert len(live.clients) == 2


async def test_an_address_has_a_bounded_number_of_anonymous_sockets(
    tmp_path: Path, shared: tuple[str, str], server: Server
) -> None:
    """Those behind loopback and behind a proxy's own address are not counted, nor are those who are signed in."""
    async with on_stage(
        tmp_path, shared, server, websocket={"per_address": 1}, http={"trusted_proxies": ["127.0.0.1", "203.0.113.1"]}
    ) as live:
        far: dict[str, Any] = {"x_forwarded_for": "198.51.100.7"}
        async with live.talker(**far):
            assert (await live.refused(**far)).status == 429
            async with live.talker(**far, authorization="Bearer ada"), live.talker(x_forwarded_for="198.51.100.8"):
                pass
        async with live.talker(), live.talker():
            pass
        proxy = {"x_forwarded_for": "203.0.113.1"}
        async with live.talker(**proxy), live.talker(**proxy):
            pass


async def test_who_is_not_let_in_is_not_counted(tmp_path: Path, shared: tuple[str, str]) -> None:
    """However often somebody is refused, nothing is left of it."""
    async with on_stage(tmp_path, shared, websocket={"per_user": 1}) as live:
        async with live.ada():
            for _ in range(3):
                await live.refused(authorization="Bearer ada")
        await live.gone()
        async with live.ada():
            assert len(live.clients) == 1


async def test_a_draining_server_lets_nobody_in(live_anyhow: Stage) -> None:
    """503 with Retry-After."""
    live_anyhow.desk.draining = True

    refused = await live_anyhow.refused()

    assert (refused.status, refused.type) == (503, "UNAVAILABLE")
    assert refused.header("retry-after") is not None


async def test_without_the_store_nobody_becomes_anonymous(tmp_path: Path) -> None:
    """Whoever comes with a session is told 503; whoever comes without one is let in."""
    async with ValkeyServer(persistent=False) as valkey:
        async with on_stage(tmp_path, (valkey.url, "t"), modules=SESSIONS) as live:
            cookie = await sign_in(live)
            await valkey.kill()

            refused = await live.refused(cookie=cookie)

            assert (refused.status, refused.type) == (503, "UNAVAILABLE")
            async with live.talker() as talker:
                assert "result" in await talker.ask(ping=True)


# Known by cookie and by ticket


async def sign_in(live: Stage, name: str = "ada") -> str:
    """Sign in over HTTP; the cookie to come with."""
    answer = await live.ask("PUT", "/api/session", {"name": name})
    assert answer.status == 201
    return str(answer.header("set-cookie")).partition(";")[0]


async def test_the_cookie_says_who_one_is(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """In the hello, and in every call."""
    async with on_stage(tmp_path, shared, server, modules=SESSIONS) as live:
        async with live.talker(cookie=await sign_in(live)) as talker:
            assert talker.hello["user"] == {"id": "ada", "name": ""}
            assert (await talker.result("who:am"))["text"] == "ada"


async def test_a_cookie_of_an_ended_session_is_nobody(tmp_path: Path, shared: tuple[str, str]) -> None:
    """The socket is anonymous, stays open after calls that need somebody, and can be signed in on."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        cookie = await sign_in(live)
        await live.ask("DELETE", "/api/session", cookie=cookie)

        async with live.talker(cookie=cookie) as talker:
            assert talker.hello["user"] is None
            assert await talker.refusal(action="who:am") == "NOT_SIGNED_IN"
            await talker.result("session:create", name="eve")
            assert (await talker.result("who:am"))["text"] == "eve"


async def test_a_ticket_opens_one_socket(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """Signed in as whoever asked for it; the second time it is 401."""
    async with on_stage(tmp_path, shared, server, modules=SESSIONS) as live:
        made = await live.ask("POST", "/api/socket/ticket", cookie=await sign_in(live))
        assert made.status == 201

        async with live.talker(f"?ticket={made.json['ticket']}") as talker:
            assert talker.hello["user"] == {"id": "ada", "name": ""}
            assert (await talker.result("who:am"))["text"] == "ada"
            again = await live.refused(f"?ticket={made.json['ticket']}")

        assert (again.status, again.type) == (401, "NOT_SIGNED_IN")


@pytest.mark.parametrize("query", ["ticket=", "ticket=x", "ticket=" + "A" * 43, "ticket=%00", "ticket={0}&ticket={0}"])
async def test_a_ticket_that_is_none_is_401(tmp_path: Path, shared: tuple[str, str], query: str) -> None:
    """Also one that is shown twice, and also for somebody with a cookie: they meant to be who the ticket says."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        cookie = await sign_in(live)
        ticket = (await live.ask("POST", "/api/socket/ticket", cookie=cookie)).json["ticket"]

        refused = await live.refused("?" + query.format(ticket), cookie=cookie)

        assert (refused.status, refused.type) == (401, "NOT_SIGNED_IN")


async def test_a_ticket_of_an_ended_session_is_401(tmp_path: Path, shared: tuple[str, str]) -> None:
    """It never outlives what it stands for."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        cookie = await sign_in(live)
        ticket = (await live.ask("POST", "/api/socket/ticket", cookie=cookie)).json["ticket"]
        await live.ask("DELETE", "/api/session", cookie=cookie)

        assert (await live.refused(f"?ticket={ticket}")).status == 401


async def test_a_ticket_is_for_those_who_are_signed_in(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Nobody else can make one."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        assert (await live.ask("POST", "/api/socket/ticket")).status == 401


async def test_a_ticket_says_more_than_the_cookie(tmp_path: Path, shared: tuple[str, str]) -> None:
    """A browser sends its cookie along, whoever the page means to be."""
    async with on_stage(tmp_path, shared, modules=SESSIONS) as live:
        ada, eve = await sign_in(live), await sign_in(live, "eve")
        ticket = (await live.ask("POST", "/api/socket/ticket", cookie=eve)).json["ticket"]

        async with live.talker(f"?ticket={ticket}", cookie=ada) as talker:
            assert (await talker.result("who:am"))["text"] == "eve"


async def test_other_words_in_the_query_say_nothing(live: Stage) -> None:
    """A token in a URL is never read, whatever it is called."""
    for query in ("?token=ada", "?access_token=ada", "?tickets=ada", "?a=b&&=c", "?%FF"):
        async with live.talker(query) as talker:
            assert talker.hello["user"] is None
