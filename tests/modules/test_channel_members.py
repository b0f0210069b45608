"""Who is on a topic: told to those whom its door lets in, by the names of their accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from antiphon.core.caller import ANONYMOUS
from antiphon.core.channel import channel
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Forbidden, InvalidInput, NotFound, NotSignedIn
from antiphon.modules.channels.actions import list_members
from antiphon.testing.engines import PostgresServer, ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus, Person, olympus_on
from tests.services.channel_stage import Node, Rang, Screen, node, user

MEMBERS = "/api/channel/messages/members"


def screen(olympus: Olympus, person: Person) -> Screen:
    """A connection of this person."""
    return Screen(Node(olympus.running.runtime), person.caller)


async def test_those_who_watch_are_named(olympus_anywhere: Olympus) -> None:
    """`channel:members` gives id, name and since when, the first comer first, and how many there are."""
    ada, eve = await olympus_anywhere.person("Ada"), await olympus_anywhere.person("Eve")
    await screen(olympus_anywhere, eve).watch("messages")
    await screen(olympus_anywhere, ada).watch("messages")

    answer = await ada.client.get(MEMBERS)

    assert answer.status == 200
    assert answer.json["count"] == 2
    assert [(member["id"], member["name"]) for member in answer.json["members"]] == [(eve.id, "Eve"), (ada.id, "Ada")]
    assert all(datetime.fromisoformat(member["since"]).tzinfo for member in answer.json["members"])


async def test_a_user_is_one_member_however_many_watch(olympus: Olympus) -> None:
    """Two connections of one user are one member."""
    ada = await olympus.person("Ada")
    for _ in range(2):
        await screen(olympus, ada).watch("messages")

    assert (await ada.client.get(MEMBERS)).json["count"] == 1


async def test_where_nobody_watches_nobody_is_named(olympus: Olympus) -> None:
    """An empty topic has no members; asking is not watching."""
    ada = await olympus.person("Ada")

    answers = [(await ada.client.get(MEMBERS)).json for _ in range(2)]

    assert answers == [{"members": [], "count": 0}] * 2


async def test_who_leaves_is_named_no_longer(olympus: Olympus) -> None:
    """After an unsubscribe the list is without them."""
    ada, eve = await olympus.person("Ada"), await olympus.person("Eve")
    leaving = screen(olympus, eve)
    await leaving.watch("messages")
    leaving.unwatch("messages")

    async def gone() -> bool:
        return (await ada.client.get(MEMBERS)).json["count"] == 0

    await wait_until(gone, "the one who left was never taken out")


@pytest.mark.parametrize(
    ("path", "status"),
    [("nothing", 404), ("messages:more", 404), ("inbox:5", 404), ("mess%20ages", 422), ("m" * 201, 422)],
)
async def test_a_topic_that_is_not_there_is_not_found(olympus: Olympus, path: str, status: int) -> None:
    """What no channel declares is a 404, and what cannot be a name a 422."""
    ada = await olympus.person("Ada")

    answer = await ada.client.get(f"/api/channel/{path}/members")

    assert answer.status == status


async def test_a_stranger_learns_nothing(olympus: Olympus) -> None:
    """For those not signed in a topic that is there and one that is not are the same 401."""
    answers = [await olympus.client().get(f"/api/channel/{name}/members") for name in ("messages", "nothing")]

    assert [answer.status for answer in answers] == [401, 401]


async def test_a_name_is_none_while_the_database_is_away(tmp_path: Path) -> None:
    """Watching needs no database: who comes then is there without a name."""
    async with ValkeyServer(persistent=False) as store, PostgresServer() as server:
        url = await server.create_database()
        async with olympus_on(tmp_path, url, store.url, "olympus") as olympus:
            ada = await olympus.person("Ada")
            await server.kill()

            answer = await screen(olympus, ada).watch("messages")

    assert [(member["id"], member["name"]) for member in answer["members"]] == [(ada.id, "")]


# Doors that Olympus does not have


@channel("club:{name}", Rang, presence=True)
async def club(ctx: Context, name: str) -> None:
    """Nobody but its owner."""
    if ctx.caller.id != name:
        raise Forbidden


@pytest.fixture
async def clubs(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Node]:
    """A node with a channel whose door refuses, and channels without presence."""
    async with node(valkey.url, store_prefix, more=(club, list_members)) as running:
        yield running


async def test_the_door_lets_its_own_look(clubs: Node) -> None:
    """Whoever may watch is told who does."""
    await clubs.screen("ada").watch("club:ada")

    members = await clubs.run(list_members, caller=user("ada"), channel="club:ada")

    assert ([member.id for member in members.members], members.count) == (["ada"], 1)


@pytest.mark.parametrize(
    ("topic", "refusal"),
    [
        ("club:eve", Forbidden),  # the door says no
        ("room:1", NotFound),  # no presence
        ("room:13", NotFound),  # no presence, and its door would say no
        ("room:x", InvalidInput),  # not what the door takes
        ("rooms", NotFound),
    ],
)
async def test_what_may_not_be_watched_is_not_told(clubs: Node, topic: str, refusal: type[CallError]) -> None:
    """What the door refuses is Forbidden; without presence a topic is as unknown as one that is not there."""
    with pytest.raises(refusal):
        await clubs.run(list_members, caller=user("ada"), channel=topic)


async def test_members_are_for_those_signed_in(clubs: Node) -> None:
    """The action has its own rule, whatever the door would say."""
    with pytest.raises(NotSignedIn):
        await clubs.run(list_members, caller=ANONYMOUS, channel="room:1")
