"""Tenants: what one has, another never sees; and how they are made, disabled and joined."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon import TenantDirectory
from antiphon.modules.accounts import DEFAULT_TENANT_ID
from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus, Person


async def tenant(olympus: Olympus, name: str) -> str:
    """A new tenant, by the system; its id."""
    made = await olympus.running.command("tenant:create", "--name", name, "--as", "system")
    return made.result["id"]


async def move(olympus: Olympus, person: Person, tenant_id: str) -> None:
    """Put somebody into a tenant, and sign them in there."""
    await olympus.running.command("tenant:join", "--user-id", person.id, "--tenant-id", tenant_id, "--as", "system")
    await olympus.sign_in(person)


async def elsewhere(olympus: Olympus, name: str = "Eve") -> Person:
    """Somebody of another tenant."""
    eve = await olympus.person(name)
    await move(olympus, eve, await tenant(olympus, "elsewhere"))
    return eve


async def post(person: Person, body: str = "Hello") -> str:
    """A message on the board of somebody's tenant; its id."""
    posted = await person.client.put("/api/message", {"body": body})
    assert posted.status == 201
    return posted.json["id"]


def without_ids(error: dict[str, Any]) -> dict[str, Any]:
    """What an error tells, but for the request's own id and time."""
    return {name: value for name, value in error.items() if name not in ("requestId", "timestamp")}


async def test_the_board_is_one_per_tenant(olympus_anywhere: Olympus) -> None:
    """Nobody sees or counts the messages of another tenant."""
    ada, eve = await olympus_anywhere.person("Ada"), await elsewhere(olympus_anywhere)
    await post(ada, "ours")
    await post(eve, "theirs")

    pages = [(await person.client.get("/api/messages/list")).json for person in (ada, eve)]

    assert [[message["body"] for message in page["messages"]] for page in pages] == [["ours"], ["theirs"]]
    assert [page["pagination"]["total"] for page in pages] == [1, 1]


@pytest.mark.parametrize("what", ["message", "user"])
async def test_what_is_another_tenants_looks_missing(olympus_anywhere: Olympus, what: str) -> None:
    """A foreign id and one that nobody has are the same answer."""
    ada, eve = await olympus_anywhere.person("Ada"), await elsewhere(olympus_anywhere)
    foreign = await post(ada) if what == "message" else ada.id

    answers = [await eve.client.get(f"/api/{what}/{each}") for each in (foreign, UNKNOWN_ID)]

    assert [answer.status for answer in answers] == [404, 404]
    assert without_ids(answers[0].error) == without_ids(answers[1].error)


async def test_an_admin_cleans_their_own_tenant_and_the_system_every_one(olympus_anywhere: Olympus) -> None:
    """`messages:cleanup` of an admin leaves the others' messages."""
    hera, eve = await olympus_anywhere.admin(), await elsewhere(olympus_anywhere)
    before = await post(eve)

    await olympus_anywhere.running.command("messages:cleanup", "--as", hera.email)

    assert (await eve.client.get(f"/api/message/{before}")).status == 200


async def test_two_tenants_may_have_users_of_one_name(olympus_anywhere: Olympus) -> None:
    """A name is unique within a tenant, an email everywhere."""
    ada = await elsewhere(olympus_anywhere, "Ada")

    same = {"name": "Ada", "email": "another@example.com", "password": PASSWORD}
    taken = {"name": "Bea", "email": ada.email, "password": PASSWORD}
    answers = [await olympus_anywhere.client().put("/api/user", each) for each in (same, taken)]

    assert [answer.status for answer in answers] == [201, 409]


async def test_who_signs_up_joins_the_default_tenant(olympus: Olympus) -> None:
    """Nobody chooses a tenant by signing up."""
    ada = await olympus.person("Ada")

    assert (await ada.client.get("/api/me")).json["tenantId"] == DEFAULT_TENANT_ID


async def test_joining_a_tenant_signs_out_and_takes_the_roles(olympus_anywhere: Olympus) -> None:
    """Rights in one tenant are none in another."""
    hera = await olympus_anywhere.admin()
    there = await tenant(olympus_anywhere, "elsewhere")

    await olympus_anywhere.running.command("tenant:join", "--user-id", hera.id, "--tenant-id", there, "--as", "system")

    assert (await hera.client.get("/api/messages/list")).status == 401
    await olympus_anywhere.sign_in(hera)
    me = (await hera.client.get("/api/me")).json
    assert (me["tenantId"], me["roles"]) == (there, [])


async def test_nobody_of_a_disabled_tenant_is_let_in(olympus_anywhere: Olympus) -> None:
    """`tenant:disable` signs its users out, and a sign-in is answered like a wrong password; enabling lets them in."""
    hera, eve = await olympus_anywhere.admin(), await elsewhere(olympus_anywhere)
    theirs = (await eve.client.get("/api/me")).json["tenantId"]

    disabled = await hera.client.post(f"/api/v1/tenants/{theirs}/disable")
    refused = [await eve.client.get("/api/me"), await sign_in(olympus_anywhere, eve)]
    await hera.client.post(f"/api/v1/tenants/{theirs}/enable")

    assert disabled.status == 200
    assert "disabledAt" in disabled.json
    assert [answer.status for answer in refused] == [401, 401]
    assert (await sign_in(olympus_anywhere, eve)).status == 201


async def sign_in(olympus: Olympus, person: Person) -> Any:
    """Try to sign in with a client of its own."""
    return await olympus.client().put("/api/session", {"email": person.email, "password": PASSWORD})


async def test_the_default_tenant_is_never_disabled(olympus: Olympus) -> None:
    """A 422: nobody could sign in any more, the admin included."""
    hera = await olympus.admin()

    answer = await hera.client.post(f"/api/v1/tenants/{DEFAULT_TENANT_ID}/disable")

    assert answer.status == 422


async def test_tenants_are_made_and_listed(olympus_anywhere: Olympus) -> None:
    """`tenant:create` answers 201 with a Location, a taken name is a 409, and the list is by name."""
    hera = await olympus_anywhere.admin()

    made = await hera.client.post("/api/v1/tenants", {"name": "aeolus"})
    again = await hera.client.post("/api/v1/tenants", {"name": "aeolus"})
    listed = (await hera.client.get("/api/v1/tenants")).json

    assert (made.status, made.header("location")) == (201, f"/api/v1/tenants/{made.json['id']}")
    assert (again.status, again.error["fields"][0]["name"]) == (409, "name")
    assert ([each["name"] for each in listed["tenants"]], listed["total"]) == (["aeolus", "default"], 2)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/tenants"),
        ("POST", "/api/v1/tenants"),
        ("GET", f"/api/v1/tenants/{DEFAULT_TENANT_ID}"),
        ("POST", f"/api/v1/tenants/{DEFAULT_TENANT_ID}/disable"),
        ("POST", f"/api/v1/tenants/{DEFAULT_TENANT_ID}/enable"),
        ("PUT", f"/api/v1/users/{UNKNOWN_ID}/tenant"),
    ],
)
async def test_tenants_are_for_admins(olympus: Olympus, method: str, path: str) -> None:
    """Everybody else is answered 403, before anything is read."""
    ada = await olympus.person("Ada")

    assert (await ada.client.request(method, path)).status == 403


async def test_an_owner_grants_roles_in_their_own_tenant_alone(olympus_anywhere: Olympus) -> None:
    """A user of another tenant looks missing to who may grant in theirs; an admin reaches everybody."""
    ada, eve, hera = (
        await olympus_anywhere.person("Ada"),
        await elsewhere(olympus_anywhere),
        await olympus_anywhere.admin(),
    )
    await olympus_anywhere.running.command("role:grant", "--user-id", eve.id, "--role", "owner", "--as", "system")

    answers = [
        await person.client.post("/api/v1/roles/staff/grant", {"userId": user.id})
        for person, user in ((eve, ada), (hera, eve))
    ]

    assert [answer.status for answer in answers] == [404, 200]


async def test_a_user_of_another_tenant_is_disabled_by_an_admin_alone(olympus_anywhere: Olympus) -> None:
    """`user:disable` at the scope any reaches every tenant, and what the user had open ends."""
    hera, eve = await olympus_anywhere.admin(), await elsewhere(olympus_anywhere)

    answer = await hera.client.post(f"/api/v1/users/{eve.id}/disable")

    assert answer.status == 200
    assert (await eve.client.get("/api/me")).status == 401


async def test_a_tenant_is_found_by_a_name_that_looks_like_an_id(olympus_anywhere: Olympus) -> None:
    """`--tenant` takes either; an id comes first."""
    name = "abcdef01-aaaa-bbbb-cccc-dddddddddddd"
    made = await tenant(olympus_anywhere, name)
    directory = olympus_anywhere.running.runtime.require(TenantDirectory, "the test")

    assert [await directory.find_tenant(which) for which in (name, made, UNKNOWN_ID)] == [made, made, None]
