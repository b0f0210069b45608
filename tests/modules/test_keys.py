"""API keys: made for a program, with some of one's permissions, and ended at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from antiphon.modules.accounts.roles import revoke_role
from antiphon.modules.accounts.tables_identity import api_keys
from antiphon.services.database import Database
from tests.modules.identity_people import bearer, me, status_of, with_tokens
from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus, Person

KEYS, KEY = "/api/keys", "/api/key"


async def new_key(person: Person, **inputs: Any) -> dict[str, Any]:
    """A key that a person makes."""
    body = {"name": "harp", "permissions": ["order:edit:own"], **inputs}
    answer = await person.client.put(KEY, body)
    assert answer.status == 201, answer.body
    return answer.json


async def test_a_key_is_shown_once(olympus_anywhere: Olympus) -> None:
    """When it is made; the list names it by its id, and the database holds its SHA-256 alone."""
    hera = await olympus_anywhere.admin()

    made = await new_key(hera)
    listed = await hera.client.get(KEYS)

    assert made["key"].startswith(f"atk_{made['id']}_")
    assert listed.json["keys"] == [made["apiKey"]]
    assert made["key"] not in listed.body.decode()
    database = olympus_anywhere.running.runtime.require(Database, "the test")
    async with database.transaction() as work:
        held = repr((await work.unscoped("a test").execute(api_keys.select())).all())
    assert made["key"].split("_")[2] not in held


async def test_a_key_calls_as_its_user_with_what_it_holds(olympus_anywhere: Olympus) -> None:
    """The user is the same, the permissions are the key's, and roles do not count."""
    hera = await olympus_anywhere.admin()
    made = await new_key(hera)

    shown = await me(olympus_anywhere.client(), made["key"])

    assert shown["user"]["id"] == hera.id
    assert shown["permissions"] == ["order:edit:own"]
    assert (shown["session"]["via"], shown["session"]["expiresAt"]) == ("key", made["apiKey"]["expiresAt"])
    assert await status_of(olympus_anywhere, made["key"], f"/api/v1/users/{hera.id}/sessions") == 403


async def test_a_revoked_key_ends_at_once(olympus_anywhere: Olympus) -> None:
    """Though it was just used; revoking it again finds nothing."""
    hera = await olympus_anywhere.admin()
    made = await new_key(hera)
    before = await status_of(olympus_anywhere, made["key"])

    answers = [await hera.client.delete(f"{KEY}/{made['id']}") for _ in range(2)]

    assert before == 200
    assert [answer.status for answer in answers] == [204, 404]
    assert await status_of(olympus_anywhere, made["key"]) == 401
    assert (await hera.client.get(KEYS)).json["keys"] == []


async def test_nobody_revokes_anothers_key(olympus: Olympus) -> None:
    """It looks like one that is not there."""
    hera, ada = await olympus.admin(), await olympus.person("Ada")
    made = await new_key(hera)

    answers = [await ada.client.delete(f"{KEY}/{name}") for name in (made["id"], "unknown", UNKNOWN_ID)]

    assert {(answer.status, answer.error["message"]) for answer in answers} == {(404, "There is no such API key.")}


async def test_a_key_holds_no_more_than_its_maker(olympus: Olympus) -> None:
    """What one does not hold cannot be passed on."""
    ada = await olympus.person("Ada")

    answer = await ada.client.put(KEY, {"name": "harp", "permissions": ["user:edit:any"]})

    assert answer.status == 403


async def test_a_key_loses_what_its_user_loses(olympus_anywhere: Olympus) -> None:
    """Permissions of a key count only as far as the user's own go."""
    hera = await olympus_anywhere.admin()
    made = await new_key(hera, permissions=["user:edit:any"])
    path = f"/api/v1/users/{hera.id}/sessions"
    before = await status_of(olympus_anywhere, made["key"], path)

    await olympus_anywhere.running.call(revoke_role, hera.id, "admin")

    assert (before, await status_of(olympus_anywhere, made["key"], path)) in ((200, 403), (200, 404))


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"permissions": []}, "permissions"), ({"permissions": ["order"]}, "permissions"),
        ({"permissions": ["order:edit:all"]}, "permissions"), ({"networks": ["192.0.2.7/24"]}, "networks"),
        ({"networks": ["home"]}, "networks"), ({"days": 0}, "days"), ({"days": 366}, "days"), ({"name": ""}, "name"),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_named(olympus: Olympus, inputs: dict[str, Any], field: str) -> None:
    """A 422 that names the input and repeats no value."""
    hera = await olympus.admin()

    answer = await hera.client.put(KEY, {"name": "harp", "permissions": ["order:edit:own"], **inputs})

    assert (answer.status, [fault["name"] for fault in answer.error["fields"]]) == (422, [field])


async def test_a_key_may_be_bound_to_networks(olympus: Olympus) -> None:
    """From elsewhere it is of no use."""
    hera = await olympus.admin()

    here = await new_key(hera, networks=["127.0.0.0/8"])
    there = await new_key(hera, networks=["192.0.2.0/24"])

    assert [await status_of(olympus, made["key"]) for made in (here, there)] == [200, 401]


async def test_a_key_lives_for_the_days_that_were_asked_for(olympus: Olympus) -> None:
    """A year at most."""
    hera = await olympus.admin()

    made = (await new_key(hera, days=365))["apiKey"]

    assert (datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(made["createdAt"])).days in (364, 365)


async def test_twenty_keys_are_the_most(olympus: Olympus) -> None:
    """One more is a 409, until one is revoked."""
    hera = await olympus.admin()
    made = [await new_key(hera) for _ in range(20)]

    refused = await hera.client.put(KEY, {"name": "harp", "permissions": ["order:edit:own"]})
    await hera.client.delete(f"{KEY}/{made[0]['id']}")

    assert refused.status == 409
    await new_key(hera)


async def test_a_key_does_neither_key_nor_password_work(olympus_anywhere: Olympus) -> None:
    """It makes, lists and revokes no key, changes neither password nor email, and ends no sign-in."""
    hera = await olympus_anywhere.admin()
    made = await new_key(hera, permissions=["*:*:any"])
    client, headers = olympus_anywhere.client(), bearer(made["key"])

    answers = [
        await client.put(KEY, {"name": "harp", "permissions": ["order:edit:own"]}, headers),
        await client.get(KEYS, headers),
        await client.delete(f"{KEY}/{made['id']}", headers),
        await client.post("/api/user", {"password": "another one, and long", "currentPassword": PASSWORD}, headers),
        await client.post("/api/user", {"email": "other@example.com", "currentPassword": PASSWORD}, headers),
        await client.delete("/api/session", headers),
        await client.delete("/api/sessions/others", headers),
    ]

    assert [answer.status for answer in answers] == [403] * 7
    assert await status_of(olympus_anywhere, made["key"]) == 200


async def test_disabling_a_user_ends_their_keys(olympus: Olympus) -> None:
    """And enabling brings none back."""
    hera, ada = await olympus.admin(), await olympus.admin("Ada")
    made = await new_key(ada)
    before = await status_of(olympus, made["key"])

    await hera.client.post(f"/api/v1/users/{ada.id}/disable")
    after = await status_of(olympus, made["key"])
    await hera.client.post(f"/api/v1/users/{ada.id}/enable")

    assert (before, after, await status_of(olympus, made["key"])) == (200, 401, 401)


async def test_a_token_makes_a_key_as_a_cookie_does(olympus: Olympus) -> None:
    """Whoever is signed in, in whichever way."""
    hera = await olympus.admin()
    tokens = await with_tokens(olympus, hera)

    body = {"name": "harp", "permissions": ["order:edit:own"]}
    answer = await olympus.client().put(KEY, body, bearer(tokens["accessToken"]))

    assert answer.status == 201
