"""Public messages: posted, listed, looked at, cleaned up, and said by Olympus itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from antiphon.core.action import Action, Call
from antiphon.core.caller import ANONYMOUS
from antiphon.core.errors import Forbidden, NotSignedIn
from antiphon.modules.accounts.tenants import create_tenant
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.transports.http.routes import Route
from olympus.messages.actions import clean_up_messages, create_message, list_messages, say_hello
from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus, olympus_on

NOON = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def clock() -> StandingClock:
    """A clock that stands at noon."""
    return StandingClock(NOON)


@pytest.fixture
async def at_noon(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str, clock: StandingClock
) -> AsyncIterator[Olympus]:
    """Olympus at noon, on both engines."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, clock=clock) as olympus:
        yield olympus


async def test_a_message_is_posted(olympus_anywhere: Olympus) -> None:
    """`message:create` answers 201, a Location and the message with its author's name."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.put("/api/message", {"body": "Χαῖρε, κόσμε 🏛"})

    assert answer.status == 201
    message = answer.json
    assert answer.header("location") == f"/api/message/{message['id']}"
    assert message.keys() == {"id", "body", "userId", "userName", "createdAt", "updatedAt"}
    assert (message["body"], message["userId"], message["userName"]) == ("Χαῖρε, κόσμε 🏛", ada.id, "Ada")


@pytest.mark.parametrize("body", ["", "x" * 1001, 5, None])
async def test_a_message_has_one_to_a_thousand_characters(olympus: Olympus, body: object) -> None:
    """`message:create` with no body, or with more than 1,000 characters, is a 422."""
    ada = await olympus.person("Ada")

    answer = await ada.client.put("/api/message", {"body": body})

    assert answer.status == 422
    assert [field["name"] for field in answer.error["fields"]] == ["body"]


async def test_a_message_is_looked_at(olympus_anywhere: Olympus) -> None:
    """`message:view` gives what `message:create` gave, to anybody signed in."""
    ada, eve = await olympus_anywhere.person("Ada"), await olympus_anywhere.person("Eve")
    message = (await ada.client.put("/api/message", {"body": "hello"})).json

    answer = await eve.client.get(f"/api/message/{message['id']}")

    assert (answer.status, answer.json) == (200, message)


@pytest.mark.parametrize("message_id", [UNKNOWN_ID, "5", "no-id-at-all"])
async def test_a_message_that_is_not_there_is_not_found(olympus_anywhere: Olympus, message_id: str) -> None:
    """An unknown id and one that is no id at all are the same 404."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.get(f"/api/message/{message_id}")

    assert (answer.status, answer.error["message"]) == (404, "There is no such message.")


async def test_messages_are_listed_by_page_newest_first(at_noon: Olympus, clock: StandingClock) -> None:
    """`messages:list` gives pages, the newest message first, and says how many pages there are."""
    ada = await at_noon.person("Ada")
    for number in range(5):
        clock.move(timedelta(seconds=1))
        await ada.client.put("/api/message", {"body": f"message {number}"})

    pages = [(await ada.client.get(f"/api/messages/list?page={page}&limit=2")).json for page in (1, 2, 3, 4)]

    assert [[message["body"][-1] for message in page["messages"]] for page in pages] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
        [],
    ]
    assert pages[0]["pagination"] == {"page": 1, "limit": 2, "total": 5, "pages": 3}


async def test_messages_of_one_moment_keep_their_order(at_noon: Olympus) -> None:
    """Messages with the same time have one order, so that no page shows one twice or leaves one out."""
    ada = await at_noon.person("Ada")
    posted = [(await ada.client.put("/api/message", {"body": f"{number}"})).json["id"] for number in range(4)]

    shown = [
        message["id"]
        for page in (1, 2, 3, 4)
        for message in (await ada.client.get(f"/api/messages/list?page={page}&limit=1")).json["messages"]
    ]

    assert shown == sorted(posted, reverse=True)


async def test_a_list_has_ten_messages_when_nothing_else_is_said(olympus: Olympus) -> None:
    """`messages:list` begins with page 1, of 10; with no message there are no pages."""
    ada = await olympus.person("Ada")

    answer = await ada.client.get("/api/messages/list")

    assert answer.json["messages"] == []
    assert answer.json["pagination"] == {"page": 1, "limit": 10, "total": 0, "pages": 0}


@pytest.mark.parametrize(
    ("query", "fields"),
    [("page=0", ["page"]), ("limit=0", ["limit"]), ("limit=101", ["limit"]), ("page=x&limit=1.5", ["page", "limit"])],
)
async def test_a_page_that_cannot_be_is_refused(olympus: Olympus, query: str, fields: list[str]) -> None:
    """`messages:list` takes a page from 1 and a limit from 1 to 100; every one that does not fit is named."""
    ada = await olympus.person("Ada")

    answer = await ada.client.get(f"/api/messages/list?{query}")

    assert answer.status == 422
    assert [field["name"] for field in answer.error["fields"]] == fields


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/api/message"), ("GET", "/api/messages/list"), ("GET", f"/api/message/{UNKNOWN_ID}")],
)
async def test_a_stranger_sees_no_messages(olympus: Olympus, method: str, path: str) -> None:
    """Messages are for those signed in: a 401 for everybody else, before anything is checked."""
    answer = await olympus.client().request(method, path)

    assert answer.status == 401


async def test_old_messages_are_cleaned_up(at_noon: Olympus, clock: StandingClock) -> None:
    """`messages:cleanup` deletes what is older than `max_age_hours`, says how much, and keeps the rest."""
    running = at_noon.running
    for _ in range(3):
        await running.call(create_message, "hello")
        clock.move(timedelta(hours=1))

    cleaned = await running.call(clean_up_messages, max_age_hours=2)

    assert cleaned.messages_deleted == 1
    assert (await running.call(list_messages)).pagination.total == 2


async def test_messages_live_for_a_day_when_nothing_else_is_said(at_noon: Olympus, clock: StandingClock) -> None:
    """`messages:cleanup` without an age keeps what is 24 hours old, and deletes what is older."""
    running = at_noon.running
    await running.call(create_message, "hello")

    clock.move(timedelta(hours=24))
    kept = await running.call(clean_up_messages)
    clock.move(timedelta(microseconds=1))
    gone = await running.call(clean_up_messages)

    assert (kept.messages_deleted, gone.messages_deleted) == (0, 1)


async def test_olympus_says_hello(at_noon: Olympus) -> None:
    """`messages:hello` posts a message with the time, by the built-in user Olympus, on the same board."""
    ada = await at_noon.person("Ada")

    said = await at_noon.running.call(say_hello)

    assert said.body == "Hello! The current time is 2026-03-04T12:00:00Z."
    assert said.user_name == "Olympus"
    shown = (await ada.client.get("/api/messages/list")).json["messages"]
    assert [message["id"] for message in shown] == [said.id]


async def test_nobody_takes_the_name_of_olympus(olympus_anywhere: Olympus) -> None:
    """The built-in user is there before anybody signs up, so its name is taken, and it says hello all the same."""
    answer = await olympus_anywhere.client().put(
        "/api/user", {"name": "Olympus", "email": "zeus@example.com", "password": PASSWORD}
    )

    assert answer.status == 409
    assert (await olympus_anywhere.running.call(say_hello)).user_name == "Olympus"


@pytest.mark.parametrize("call", [clean_up_messages.bind(), say_hello.bind()], ids=lambda call: call.action.name)
async def test_only_admins_clean_up_and_say_hello(olympus: Olympus, call: Call[Any]) -> None:
    """`messages:cleanup` and `messages:hello` are for admins, and have no route."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()
    action = cast("Action[[], Any]", call.action)

    with pytest.raises(NotSignedIn):
        await olympus.running.call_as(ANONYMOUS, action)
    with pytest.raises(Forbidden):
        await olympus.running.call_as(ada.caller, action)
    assert await olympus.running.call_as(hera.caller, action)
    assert call.action.trait(Route) is None


async def test_what_the_system_posts_is_by_olympus(olympus_anywhere: Olympus) -> None:
    """A message that the system posts has Olympus as its author."""
    message = await olympus_anywhere.running.call(create_message, "hello")

    assert message.user_name == "Olympus"


async def test_a_message_outlives_the_membership_of_its_author(olympus_anywhere: Olympus) -> None:
    """Who goes to another tenant leaves what they wrote, and their name with the tenant they are in."""
    olympus = olympus_anywhere
    ada, ben = await olympus.person("Ada"), await olympus.person("Ben")
    await ada.client.put("/api/message", {"body": "I was here"})

    await olympus.move(ada, (await olympus.running.call(create_tenant, "elsewhere")).id)

    (left,) = (await ben.client.get("/api/messages/list")).json["messages"]
    assert (left["body"], left["userName"]) == ("I was here", "somebody who is gone")
