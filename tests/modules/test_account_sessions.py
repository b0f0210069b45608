"""Accounts and what is open in their sessions: tickets for sockets, and what closes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.session import Session
from antiphon.modules.accounts.roles import grant_role, revoke_role
from antiphon.services.sessions.tickets import Tickets
from antiphon.testing.app import HttpClient
from olympus.messages.actions import list_messages
from tests.olympus_stage import PASSWORD, Olympus, Person

ANOTHER_PASSWORD = "a quiet harbour, before the storm"
TICKET = "/api/socket/ticket"


class Open(Connection):
    """Something that is open in a session, by a cookie or by a ticket."""

    def __init__(self, *, token: str | None = None, key: str | None = None) -> None:
        super().__init__("direct")
        self._token = token
        self._key = key

    @property
    def session_token(self) -> str | None:
        return self._token

    @property
    def session_key(self) -> str | None:
        return self._key


def context(olympus: Olympus, connection: Connection) -> Context:
    """A call through this connection, from inside."""
    return olympus.running.runtime.context(list_messages, connection)


async def session_of(olympus: Olympus, client: HttpClient) -> Session:
    """The session of a client."""
    return await context(olympus, Open(token=client.cookies["session"])).session()


@pytest.fixture
async def told(olympus: Olympus) -> AsyncIterator[list[Revoked]]:
    """What this node is told of sessions that end."""
    heard: list[Revoked] = []
    stop = olympus.running.runtime.require(Revocations, "the test").subscribe(heard.append)
    yield heard
    stop()


# Tickets


async def test_a_ticket_is_made_for_whoever_is_signed_in(olympus_anywhere: Olympus) -> None:
    """`socket:ticket` answers 201 with a ticket and when it ends, which no cache may keep."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.post(TICKET)

    assert answer.status == 201
    assert answer.json.keys() == {"ticket", "expiresAt"}
    left = datetime.fromisoformat(answer.json["expiresAt"]) - datetime.now(UTC)
    assert timedelta(0) < left <= timedelta(seconds=30)
    assert answer.header("cache-control") == "no-store"


async def test_a_ticket_opens_one_socket_as_its_user(olympus: Olympus) -> None:
    """What the ticket is taken for identifies as whoever made it, with their roles; the second time it is nothing."""
    hera = await olympus.admin()
    ticket = (await hera.client.post(TICKET)).json["ticket"]
    tickets = olympus.running.runtime.require(Tickets, "the test")

    first, second = await tickets.take(ticket), await tickets.take(ticket)

    opened = await context(olympus, Open(key=first)).identify()
    assert (opened.id, opened.roles) == (hera.id, hera.roles)
    assert second is None


async def test_a_ticket_shows_neither_cookie_nor_user(olympus: Olympus) -> None:
    """It is bound to the session, and says nothing of it."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post(TICKET)

    assert ada.client.cookies["session"] not in answer.body.decode()
    assert ada.id not in answer.body.decode()


async def test_a_stranger_gets_no_ticket(olympus: Olympus) -> None:
    """`socket:ticket` is for those signed in: a 401."""
    answer = await olympus.client().post(TICKET)

    assert answer.status == 401


# What ends


async def test_signing_out_is_told(olympus: Olympus, told: list[Revoked]) -> None:
    """`session:destroy` names the session, and nobody else's."""
    ada = await olympus.person("Ada")
    sid = (await session_of(olympus, ada.client)).sid

    await ada.client.delete("/api/session")

    assert told == [Revoked("session", sid)]


@pytest.mark.parametrize(("keep", "ends"), [(False, True), (True, False)])
async def test_a_new_password_is_told_to_the_other_sessions(
    olympus: Olympus, told: list[Revoked], keep: bool, ends: bool
) -> None:
    """A change of password names every other session, unless `keepOthers` is true."""
    ada = await olympus.person("Ada")
    elsewhere = Person(ada.name, ada.email, ada.id, olympus.client())
    await olympus.sign_in(elsewhere)
    sid = (await session_of(olympus, elsewhere.client)).sid

    await ada.client.post("/api/user", {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD, "keepOthers": keep})

    assert told == ([Revoked("session", sid)] if ends else [])


async def test_a_change_of_roles_is_told(olympus: Olympus, told: list[Revoked]) -> None:
    """`role:grant` and `role:revoke` tell every node that the user's rights have changed, and end no session."""
    ada = await olympus.person("Ada")

    await olympus.running.call(grant_role, ada.id, "staff")
    await olympus.running.call(revoke_role, ada.id, "staff")

    assert {*told} == {Revoked("rights", ada.id)}
