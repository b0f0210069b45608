"""What both clients do with the server that they are made for."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from antiphon.client import CallError, Change, Client, ConnectionLost, Event, Presence
from antiphon.testing.app import HttpClient, TestApp
from antiphon.testing.waiting import wait_until
from olympus.messages.actions import create_message
from tests.client.drivers import NODE, NODE_FLAGS, SCRIPT
from tests.pages.network import Network

PASSWORD = "four lanterns over still water"


class Ada:
    """Somebody with an account and a session."""

    def __init__(self, http: HttpClient, port: int) -> None:
        self.http = http
        self.port = port

    async def sign_in(self) -> None:
        """Make the account, and a session."""
        made = await self.http.put("/api/user", {"name": "Ada", "email": "ada@example.com", "password": PASSWORD})
        assert made.status == 201
        answer = await self.http.put("/api/session", {"email": "ada@example.com", "password": PASSWORD})
        assert answer.status == 201

    @property
    def cookie(self) -> str:
        """What a browser would send."""
        return "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())

    @property
    def url(self) -> str:
        """Where sockets are opened."""
        return f"http://127.0.0.1:{self.port}/ws"


@pytest.fixture
async def ada(olympus_served: TestApp) -> Ada:
    """Somebody who is signed in."""
    person = Ada(olympus_served.client(), olympus_served.port)
    await person.sign_in()
    return person


async def test_a_call_over_the_socket_answers_as_http_does(ada: Ada) -> None:
    """The same result, the same error with the same fields, for the same inputs."""
    async with Client.connect(ada.url, cookie=ada.cookie) as client:
        message = await client.call("message:create", {"body": "Hello."})
        with pytest.raises(CallError) as refused:
            await client.call("message:create", {"body": ""})

    assert (await ada.http.get(f"/api/message/{message['id']}")).json == message
    assert refused.value.type == "INVALID_INPUT"
    assert [field.name for field in refused.value.fields] == ["body"]
    assert not refused.value.may_have_run


async def test_calls_after_a_sign_in_are_signed_in(ada: Ada) -> None:
    """A socket that begins as nobody's becomes that of whom it signs in."""
    async with Client.connect(ada.url) as client:
        with pytest.raises(CallError) as refused:
            await client.call("messages:list")
        await client.call("session:create", {"email": "ada@example.com", "password": PASSWORD})

        assert (await client.call("messages:list"))["messages"] == []
    assert refused.value.type == "NOT_SIGNED_IN"


async def test_a_ticket_opens_one_socket(ada: Ada) -> None:
    """A page of another origin, or a program with a token, comes in with a ticket; nobody does with a spent one."""

    async def ticket() -> str:
        return (await ada.http.post("/api/socket/ticket")).json["ticket"]

    spent = await ticket()

    async def the_same() -> str:
        return spent

    async with Client.connect(ada.url, ticket=the_same) as client:
        assert client.hello is not None
        assert client.hello.user is not None
    with pytest.raises(CallError) as refused:
        async with Client.connect(ada.url, ticket=the_same):
            pass
    assert refused.value.type == "NOT_SIGNED_IN"
    async with Client.connect(ada.url, ticket=ticket) as client:
        assert client.state == "open"


async def test_leaving_a_stream_leaves_room_for_others(ada: Ada) -> None:
    """A stream that is left is cancelled on the server, so that any number can follow."""
    async with Client.connect(ada.url, cookie=ada.cookie) as client:
        for _ in range(17):
            stream = client.stream("streaming:counter", {"to": 100})
            assert (await anext(stream))["n"] == 1
            await stream.aclose()

        assert [tick["n"] async for tick in client.stream("streaming:counter", {"to": 2})] == [1, 2]


async def test_a_list_and_its_position_leave_no_gap(ada: Ada) -> None:
    """What is posted between a list and the watching that begins at its position is told."""
    async with Client.connect(ada.url, cookie=ada.cookie) as client:
        position = (await client.call("messages:list"))["position"]
        await client.call("message:create", {"body": "In between."})

        async with client.watch("messages", since=position) as events:
            told = await anext(events)

    assert isinstance(told, Event)
    assert told.data["message"]["body"] == "In between."


async def test_fifty_reconnects_in_the_middle_lose_nothing_and_show_nothing_twice(
    ada: Ada, olympus_served: TestApp
) -> None:
    """However often the network is cut while messages are posted, each is told once, in the order of their offsets."""
    cuts, count = 50, 100
    opened: list[Change] = []

    def on_state(change: Change) -> None:
        if change.state == "open":
            opened.append(change)

    async with Network.to(olympus_served.port) as network:
        connecting = Client.connect(f"{network.url}/ws", cookie=ada.cookie, random=lambda: 0.0, on_state=on_state)
        async with connecting as client, client.watch("messages") as events:

            async def post() -> None:
                for number in range(count):
                    await olympus_served.call(create_message, body=str(number))

            async def cut() -> None:
                for _ in range(cuts):
                    before = len(opened)
                    network.cut()
                    network.mend()
                    await wait_until(partial(_more, opened, before), "the client never came back")

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(post())
                tasks.create_task(cut())
                async with asyncio.timeout(60):
                    told = [await anext(events) for _ in range(count)]

    assert [event.data["message"]["body"] for event in told if isinstance(event, Event)] == [*map(str, range(count))]
    assert len(opened) > cuts


def _more(changes: list[Change], than: int) -> bool:
    return len(changes) > than


async def test_presence_is_merged_for_each_client(ada: Ada, olympus_served: TestApp) -> None:
    """Who watches is listed at once and told of everyone who comes and leaves."""
    bo = olympus_served.client()
    await bo.put("/api/user", {"name": "Bob", "email": "bo@example.com", "password": PASSWORD})
    await bo.put("/api/session", {"email": "bo@example.com", "password": PASSWORD})
    seen: list[Presence] = []

    def names() -> list[str]:
        return sorted(member.name for member in seen[-1].members) if seen else []

    async with Client.connect(ada.url, cookie=ada.cookie) as client:
        async with client.watch("messages", on_presence=seen.append):
            assert names() == ["Ada"]
            async with Client.connect(ada.url, cookie=Ada(bo, ada.port).cookie) as other:
                async with other.watch("messages"):
                    await wait_until(lambda: names() == ["Ada", "Bob"], "Bob never came")
            await wait_until(lambda: names() == ["Ada"], "Bob never left")


async def test_signing_out_elsewhere_stops_the_client(ada: Ada) -> None:
    """A session that ends closes its sockets with 4501, and its client does not come back."""
    changes: list[Change] = []
    async with Client.connect(ada.url, cookie=ada.cookie, on_state=changes.append) as client:
        async with client.watch("messages") as events:
            await ada.http.delete("/api/session")

            with pytest.raises(ConnectionLost) as lost:
                await anext(events)
    assert lost.value.code == 4501
    assert [change.state for change in changes] == ["connecting", "open", "stopped", "closed"]


async def test_a_callback_that_raises_harms_nothing_and_is_reported(ada: Ada) -> None:
    """A mistake in what an application does with a change of state is told to the loop; calls go on."""
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
    mistake = LookupError("a mistake of the application")

    def on_state(change: Change) -> None:
        raise mistake

    async with Client.connect(ada.url, cookie=ada.cookie, on_state=on_state) as client:
        assert (await client.call("status"))["healthy"]
    assert reported == [mistake] * 3


async def test_a_handshake_that_is_refused_says_why(ada: Ada) -> None:
    """Who may not open a socket is told by the type of the error, at once."""
    with pytest.raises(CallError) as refused:
        async with Client.connect(ada.url, headers={"Origin": "https://elsewhere.example"}):
            pass
    assert refused.value.type == "FORBIDDEN"


async def test_antiphon_js_works_with_the_server(ada: Ada) -> None:
    """The suite in Node passes: tickets, headers, calls, streams, topics, aborts and callbacks that throw."""
    if NODE is None and os.environ.get("CI") != "true":
        pytest.skip("antiphon.js is tested in Node 20 or newer, and there is no `node` here: install nodejs.")
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE,
        *NODE_FLAGS,
        "--test",
        str(Path(__file__).with_name("antiphon.test.mjs")),
        env={**os.environ, "SCRIPT": str(SCRIPT), "ORIGIN": f"http://127.0.0.1:{ada.port}", "COOKIE": ada.cookie},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
