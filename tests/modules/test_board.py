"""The public board, live: a message is shown when it is there, and a list says from where to watch on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.action import Call
from antiphon.core.caller import ANONYMOUS
from antiphon.core.channel import Position
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, NotSignedIn
from antiphon.core.middleware import Next
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.messages.actions import create_message, list_messages, say_hello
from tests.olympus_stage import Olympus, Person, olympus_on
from tests.services.channel_stage import Node, Screen

BAD = "a message whose call fails in the end"


async def fail_in_the_end(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Let the call of one message fail when everything has been done."""
    result = await next(call, ctx)
    if getattr(call.inputs, "body", None) == BAD:
        raise Conflict
    return result


@pytest.fixture
async def board_anywhere(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus on both engines, where one message can never be posted."""
    middleware = [fail_in_the_end]
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, middleware=middleware) as running:
        yield running


def screen(olympus: Olympus, person: Person) -> Screen:
    """A connection of this person that watches and remembers."""
    return Screen(Node(olympus.running.runtime), person.caller)


def events(shown: Screen) -> list[Any]:
    """Every event that was shown."""
    return [frame for frame in shown.frames if "event" in frame]


async def see(shown: Screen, number: int) -> list[Any]:
    """Wait until so many events have been shown; all of them."""
    await wait_until(lambda: len(events(shown)) >= number, f"only saw {shown.frames}")
    return events(shown)


async def test_a_message_is_shown_to_whoever_watches(olympus_anywhere: Olympus) -> None:
    """`message:create` shows `MessagePosted` with the message as its caller got it, with an offset."""
    ada, eve = await olympus_anywhere.person("Ada"), await olympus_anywhere.person("Eve")
    shown = screen(olympus_anywhere, eve)
    await shown.watch("messages")

    message = (await ada.client.put("/api/message", {"body": "Χαῖρε, κόσμε 🏛"})).json

    (event,) = await see(shown, 1)
    assert event == {"topic": "messages", "event": "MessagePosted", "offset": 1, "data": {"message": message}}


async def test_what_is_shown_is_there(olympus_anywhere: Olympus) -> None:
    """The event goes out after the commit: whoever looks at once finds the message."""
    ada = await olympus_anywhere.person("Ada")
    shown = screen(olympus_anywhere, ada)
    await shown.watch("messages")
    posting = asyncio.create_task(ada.client.put("/api/message", {"body": "hello"}))

    (event,) = await see(shown, 1)
    looked = await ada.client.get(f"/api/message/{event['data']['message']['id']}")

    assert looked.status == 200
    await posting


async def test_a_message_that_is_rolled_back_is_not_shown(board_anywhere: Olympus) -> None:
    """A call that fails in the end leaves neither a message nor an event, and no hole in the offsets."""
    ada = await board_anywhere.person("Ada")
    shown = screen(board_anywhere, ada)
    await shown.watch("messages")

    refused = await ada.client.put("/api/message", {"body": BAD})
    await ada.client.put("/api/message", {"body": "good"})

    (event,) = await see(shown, 1)
    assert refused.status == 409
    assert (event["offset"], event["data"]["message"]["body"]) == (1, "good")
    assert (await ada.client.get("/api/messages/list")).json["pagination"]["total"] == 1


async def test_olympus_is_shown_like_anybody(olympus_anywhere: Olympus) -> None:
    """`messages:hello`, and what the system posts, are shown on the same board."""
    shown = screen(olympus_anywhere, await olympus_anywhere.person("Ada"))
    await shown.watch("messages")

    said = await olympus_anywhere.running.call(say_hello)
    posted = await olympus_anywhere.running.call(create_message, "hello")

    seen = [event["data"]["message"] for event in await see(shown, 2)]
    assert [message["id"] for message in seen] == [said.id, posted.id]
    assert {message["userName"] for message in seen} == {"Olympus"}


async def test_a_list_says_from_where_to_watch_on(olympus_anywhere: Olympus) -> None:
    """`messages:list` gives a `position`; watching from it on gives exactly what has been posted since."""
    ada = await olympus_anywhere.person("Ada")
    await ada.client.put("/api/message", {"body": "before"})
    listed = (await ada.client.get("/api/messages/list")).json
    await ada.client.put("/api/message", {"body": "after"})

    answer = await screen(olympus_anywhere, ada).watch("messages", Position(**listed["position"]))

    assert listed["position"].keys() == {"epoch", "offset"}
    assert answer["recovered"] is True
    assert [event["data"]["message"]["body"] for event in answer["missed"]] == ["after"]


async def test_an_empty_list_says_it_too(olympus: Olympus) -> None:
    """Before the first message there is a position as well, and the first message comes after it."""
    ada = await olympus.person("Ada")
    listed = (await ada.client.get("/api/messages/list")).json
    await ada.client.put("/api/message", {"body": "the first"})

    answer = await screen(olympus, ada).watch("messages", Position(**listed["position"]))

    assert listed["position"]["offset"] == 0
    assert answer["recovered"] is True
    assert [event["offset"] for event in answer["missed"]] == [1]


async def test_nothing_falls_between_a_list_and_what_comes_after(olympus_anywhere: Olympus) -> None:
    """While others post, every list and what is missed since its position are together everything."""
    running, ada = olympus_anywhere.running, await olympus_anywhere.person("Ada")
    posting = [asyncio.create_task(running.call(create_message, f"{number}")) for number in range(30)]

    pages = [await running.call(list_messages, limit=100) for _ in range(10)]
    posted = {message.id for message in await asyncio.gather(*posting)}

    assert len(posted) == 30
    for page in pages:
        answer = await screen(olympus_anywhere, ada).watch("messages", page.position)
        missed = {event["data"]["message"]["id"] for event in answer["missed"]}
        assert {message.id for message in page.messages} | missed == posted


async def test_only_those_signed_in_watch_the_board(olympus: Olympus) -> None:
    """The door of `messages` refuses a stranger."""
    stranger = Screen(Node(olympus.running.runtime), ANONYMOUS)

    with pytest.raises(NotSignedIn):
        await stranger.watch("messages")


async def test_the_command_line_is_heard_in_the_server(olympus: Olympus) -> None:
    """A message posted by another process is shown by this one."""
    ada = await olympus.person("Ada")
    shown = screen(olympus, ada)
    await shown.watch("messages")

    command = await olympus.running.command("message:create", "--body", "hello", "--as", ada.id, "--output", "json")

    (event,) = await see(shown, 1)
    assert event["data"]["message"] == command.result
