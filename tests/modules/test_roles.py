"""Roles: granted and taken, seen by the next call and by what is open, and explained."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from antiphon.core.revocation import Revocations, Revoked
from antiphon.testing.app import HOST, HttpClient
from tests.olympus_stage import UNKNOWN_ID, Olympus, Person


async def change(olympus: Olympus, what: str, user_id: str, role: str, *, by: str = "system") -> Any:
    """Grant or revoke at the command line."""
    return await olympus.running.command(what, "--user-id", user_id, "--role", role, "--as", by)


async def sees_process(client: HttpClient) -> bool:
    """Whether somebody is shown what only admins are."""
    return "pid" in (await client.get("/api/status")).json


async def owner(olympus: Olympus, name: str = "Otto") -> Person:
    """Somebody with the role `owner`."""
    person = await olympus.person(name)
    await change(olympus, "role:grant", person.id, "owner")
    return person


async def test_granting_a_role_says_what_the_user_holds(olympus_anywhere: Olympus) -> None:
    """`role:grant` gives the roles in alphabetical order; granting twice changes nothing."""
    ada = await olympus_anywhere.person("Ada")

    for role in ("staff", "admin", "staff"):
        granted = await change(olympus_anywhere, "role:grant", ada.id, role)

    assert granted.result == {"userId": ada.id, "roles": ["admin", "staff"]}


async def test_the_next_call_has_a_role_that_was_granted(olympus_anywhere: Olympus) -> None:
    """Nobody has to sign in again for a right that they were given."""
    ada = await olympus_anywhere.person("Ada")
    before = await sees_process(ada.client)

    await change(olympus_anywhere, "role:grant", ada.id, "admin")

    assert (before, await sees_process(ada.client)) == (False, True)


async def test_the_next_call_has_a_role_no_more_that_was_taken(olympus_anywhere: Olympus) -> None:
    """A right that was taken is gone with the next call, and the session goes on."""
    hera = await olympus_anywhere.admin()

    await change(olympus_anywhere, "role:revoke", hera.id, "admin")

    assert not await sees_process(hera.client)
    assert (await hera.client.get("/api/messages/list")).status == 200


async def test_a_change_of_roles_gives_the_session_a_new_id(olympus: Olympus) -> None:
    """With the first call after the change the id is another, and the old one is worth nothing."""
    ada = await olympus.person("Ada")
    old = ada.client.cookies["session"]
    await change(olympus, "role:grant", ada.id, "staff")

    await ada.client.get("/api/messages/list")
    thief = olympus.client()
    thief.cookies["session"] = old

    assert ada.client.cookies["session"] != old
    assert (await thief.get("/api/messages/list")).status == 401
    assert (await ada.client.get("/api/messages/list")).status == 200


async def test_each_session_of_a_user_has_the_new_rights(olympus: Olympus) -> None:
    """A change reaches every browser of the user."""
    hera = await olympus.admin()
    elsewhere = olympus.client()
    await elsewhere.put("/api/session", {"email": hera.email, "password": "four lanterns over still water"})

    await change(olympus, "role:revoke", hera.id, "admin")

    assert [await sees_process(client) for client in (hera.client, elsewhere)] == [False, False]


async def test_what_is_open_is_asked_again(olympus: Olympus) -> None:
    """Every node is told that the rights of this user have changed."""
    ada = await olympus.person("Ada")
    heard: list[Revoked] = []
    stop = olympus.running.runtime.require(Revocations, "the test").subscribe(heard.append)

    await change(olympus, "role:grant", ada.id, "staff")

    stop()
    assert heard == [Revoked("rights", ada.id)]


@pytest.mark.parametrize("role", ["emperor", "customers"])
async def test_an_unknown_role_is_refused(olympus: Olympus, role: str) -> None:
    """`role:grant` of a role that nobody declares is a 422 that names the input."""
    hera, ada = await olympus.admin(), await olympus.person("Ada")

    answer = await hera.client.post(f"/api/v1/roles/{role}/grant", {"userId": ada.id})

    assert (answer.status, [field["name"] for field in answer.error["fields"]]) == (422, ["role"])


async def test_nobody_grants_what_they_do_not_hold(olympus_anywhere: Olympus) -> None:
    """An owner grants `manager`, and neither `admin` to others nor to themselves."""
    otto, ada = await owner(olympus_anywhere), await olympus_anywhere.person("Ada")

    answers = [
        await otto.client.post(f"/api/v1/roles/{role}/grant", {"userId": user})
        for role, user in (("manager", ada.id), ("admin", ada.id), ("admin", otto.id))
    ]

    assert [answer.status for answer in answers] == [200, 403, 403]


async def test_nobody_takes_what_they_do_not_hold(olympus: Olympus) -> None:
    """An owner cannot take the role of an admin."""
    otto, hera = await owner(olympus), await olympus.admin()

    answer = await otto.client.post("/api/v1/roles/admin/revoke", {"userId": hera.id})

    assert answer.status == 403


@pytest.mark.parametrize("what", ["grant", "revoke"])
async def test_roles_are_changed_by_those_who_may(olympus: Olympus, what: str) -> None:
    """Without the right it is a 403, and without signing in a 401."""
    ada = await olympus.person("Ada")

    answers = [
        await client.post(f"/api/v1/roles/staff/{what}", {"userId": ada.id})
        for client in (ada.client, olympus.client())
    ]

    assert [answer.status for answer in answers] == [403, 401]


@pytest.mark.parametrize("user_id", [UNKNOWN_ID, "nobody"])
async def test_the_roles_of_nobody_are_not_found(olympus_anywhere: Olympus, user_id: str) -> None:
    """An id of nobody is a 404."""
    hera = await olympus_anywhere.admin()

    answer = await hera.client.post("/api/v1/roles/staff/grant", {"userId": user_id})

    assert answer.status == 404


async def test_two_grants_are_both_there(olympus_anywhere: Olympus) -> None:
    """A second change leaves the first in force, in the database and in what the next call has."""
    hera, ada = await olympus_anywhere.admin(), await olympus_anywhere.person("Ada")

    for role in ("staff", "manager"):
        assert (await hera.client.post(f"/api/v1/roles/{role}/grant", {"userId": ada.id})).status == 200
    me = (await ada.client.get("/api/me")).json

    assert me["roles"] == ["manager", "staff"]


async def test_the_roles_are_listed(olympus: Olympus) -> None:
    """`roles:list` shows every role with what it includes and adds."""
    hera = await olympus.admin()

    listed = (await hera.client.get("/api/v1/roles")).json["roles"]

    assert [role["name"] for role in listed] == ["admin", "customer", "manager", "owner", "staff"]
    assert listed[2] == {
        "name": "manager",
        "includes": ["staff"],
        "permissions": ["analytics:view:tenant", "member:view:tenant", "product:*:tenant"],
    }


async def test_a_role_that_is_taken_is_gone_on_an_open_socket(olympus: Olympus) -> None:
    """A socket that an admin had open stays open, and its next call is that of somebody who is none."""
    hera = await olympus.admin()
    cookies = "; ".join(f"{name}={value}" for name, value in hera.client.cookies.items())
    address = f"ws://{HOST}:{olympus.running.port}/ws"
    async with connect(address, additional_headers={"Cookie": cookies}, proxy=None) as socket:
        await socket.recv()
        before = await say_hello(socket)
        await change(olympus, "role:revoke", hera.id, "admin")

        after = await say_hello(socket)

    assert "result" in before
    assert after["error"]["type"] == "FORBIDDEN"


async def say_hello(socket: ClientConnection) -> dict[str, Any]:
    """Call what only admins may, and take the answer."""
    await socket.send(json.dumps({"id": 1, "action": "messages:hello"}))
    return json.loads(await socket.recv())


# Explained


async def test_a_decision_is_explained_with_the_role_that_granted(olympus_anywhere: Olympus) -> None:
    """`access:explain` names each rule, what it says, and by which roles."""
    otto = await owner(olympus_anywhere)

    explained = await olympus_anywhere.running.command(
        "access:explain", "--user", otto.email, "--action", "role:grant", "--as", "system"
    )

    assert explained.result == {
        "userId": otto.id,
        "action": "role:grant",
        "granted": True,
        "scope": "tenant",
        "roles": ["owner"],
        "steps": [
            {
                "rule": "can(role:grant)",
                "granted": True,
                "scope": "tenant",
                "reason": "",
                "via": ["owner: role:*:tenant"],
            }
        ],
    }


async def test_a_refusal_is_explained(olympus: Olympus) -> None:
    """What is missing is said, to the admin and not to the user."""
    hera, ada = await olympus.admin(), await olympus.person("Ada")

    answer = await hera.client.get(f"/api/v1/access?user={ada.id}&action=role:grant")

    assert (answer.json["granted"], answer.json["steps"][0]["reason"]) == (
        False,
        "no role allows role:grant; held: none",
    )


async def test_only_admins_have_decisions_explained(olympus: Olympus) -> None:
    """`access:explain` is a 403 for everybody else."""
    ada = await olympus.person("Ada")

    answer = await ada.client.get(f"/api/v1/access?user={ada.id}&action=status")

    assert answer.status == 403
    assert "role" not in json.dumps(answer.json)


async def test_only_actions_that_are_there_are_explained(olympus: Olympus) -> None:
    """An unknown action is a 422, an unknown user a 404."""
    hera = await olympus.admin()

    answers = [
        await hera.client.get(f"/api/v1/access?user={user}&action={action}")
        for user, action in ((hera.id, "no:such"), (UNKNOWN_ID, "status"))
    ]

    assert [answer.status for answer in answers] == [422, 404]
