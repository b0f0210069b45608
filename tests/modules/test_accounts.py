"""Accounts: signing up, looking, changing, signing in and out."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.testing.app import HttpAnswer
from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus

ADA = {"name": "Ada", "email": "Ada@Example.com", "password": PASSWORD}
ANOTHER_PASSWORD = "a quiet harbour, before the storm"


def blamed(answer: HttpAnswer) -> list[str]:
    """The inputs that an error names."""
    return [field["name"] for field in answer.error.get("fields", [])]


async def test_signing_up_gives_the_user_with_their_email(olympus_anywhere: Olympus) -> None:
    """`user:create` answers 201, a Location, and the user with the email in lower case."""
    answer = await olympus_anywhere.client().put("/api/user", ADA)

    assert answer.status == 201
    assert answer.header("location") == f"/api/user/{answer.json['id']}"
    assert answer.json.keys() == {"id", "name", "email", "createdAt", "updatedAt"}
    assert (answer.json["name"], answer.json["email"]) == ("Ada", "ada@example.com")


async def test_signing_up_does_not_sign_in(olympus: Olympus) -> None:
    """`user:create` sets no cookie."""
    client = olympus.client()

    await client.put("/api/user", ADA)

    assert not client.cookies


@pytest.mark.parametrize(
    ("taken", "field"),
    [
        ({"name": "Ada", "email": "other@example.com"}, "name"),
        ({"name": "Other", "email": "ADA@example.COM"}, "email"),
    ],
)
async def test_what_is_taken_is_named(olympus_anywhere: Olympus, taken: dict[str, str], field: str) -> None:
    """A name or an email (in whatever case) that another has is a 409 that names the field."""
    client = olympus_anywhere.client()
    await client.put("/api/user", ADA)

    answer = await client.put("/api/user", {**taken, "password": PASSWORD})

    assert answer.status == 409
    assert (answer.error["type"], blamed(answer)) == ("CONFLICT", [field])


async def test_two_sign_ups_with_one_email_at_once_make_one_account(olympus_anywhere: Olympus) -> None:
    """Of two concurrent sign-ups with one email, one is 201 and the other 409."""
    sign_ups = [
        olympus_anywhere.client().put("/api/user", {"name": name, "email": "ada@example.com", "password": PASSWORD})
        for name in ("Ada", "Eve")
    ]

    answers = await asyncio.gather(*sign_ups)

    assert sorted(answer.status for answer in answers) == [201, 409]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": "ab"}, ["name"]),
        ({"name": "a" * 257}, ["name"]),
        ({"email": "nobody"}, ["email"]),
        ({"password": "1234567"}, ["password"]),
        ({"password": "x" * 257}, ["password"]),
        ({"name": "ab", "email": "@", "password": ""}, ["name", "email", "password"]),
        ({"name": None, "email": 5, "password": []}, ["name", "email", "password"]),
    ],
)
async def test_every_input_that_does_not_fit_is_named(
    olympus: Olympus, changes: dict[str, object], fields: list[str]
) -> None:
    """A sign-up that does not fit is a 422 that names every field at fault, and repeats no value."""
    answer = await olympus.client().put("/api/user", {**ADA, **changes})

    assert answer.status == 422
    assert blamed(answer) == fields


async def test_a_user_looks_at_another_without_their_email(olympus: Olympus) -> None:
    """`user:view` shows the email only to oneself."""
    ada, eve = await olympus.person("Ada"), await olympus.person("Eve")

    own = await ada.client.get(f"/api/user/{ada.id}")
    others = await ada.client.get(f"/api/user/{eve.id}")

    assert (own.status, own.json["email"]) == (200, ada.email)
    assert others.status == 200
    assert others.json.keys() == {"id", "name", "createdAt", "updatedAt"}


@pytest.mark.parametrize("user_id", [UNKNOWN_ID, "5", "nobody", UNKNOWN_ID[:-1] + "g"])
async def test_an_id_of_nobody_is_not_found(olympus_anywhere: Olympus, user_id: str) -> None:
    """An unknown id and one that is no id at all are the same 404."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.get(f"/api/user/{user_id}")

    assert answer.status == 404
    assert answer.error["message"] == "There is no such user."


async def test_a_name_is_changed_without_a_password(olympus: Olympus) -> None:
    """`user:edit` changes one's own name, and gives the user with the email."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post("/api/user", {"name": "Ada Lovelace"})

    assert answer.status == 200
    assert (answer.json["name"], answer.json["email"], answer.json["id"]) == ("Ada Lovelace", ada.email, ada.id)


async def test_nothing_to_change_does_not_fit(olympus: Olympus) -> None:
    """`user:edit` without anything to change is a 422."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post("/api/user", {"currentPassword": PASSWORD, "keepOthers": True})

    assert (answer.status, answer.error["type"]) == (422, "INVALID_INPUT")


@pytest.mark.parametrize("change", [{"email": "new@example.com"}, {"password": ANOTHER_PASSWORD}])
async def test_an_email_or_password_is_not_changed_with_a_wrong_password(
    olympus: Olympus, change: dict[str, str]
) -> None:
    """`user:edit` with a wrong current password is a 403, and nothing is changed."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post("/api/user", {**change, "currentPassword": "something else entirely"})

    assert (answer.status, answer.error["type"]) == (403, "FORBIDDEN")
    await olympus.sign_in(ada)


@pytest.mark.parametrize("change", [{"email": "new@example.com"}, {"password": ANOTHER_PASSWORD}])
async def test_an_email_or_password_is_not_changed_without_the_current_password(
    olympus: Olympus, change: dict[str, str]
) -> None:
    """`user:edit` of an email or a password needs `currentPassword`: without it, a 422 names it."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post("/api/user", change)

    assert (answer.status, blamed(answer)) == (422, ["currentPassword"])


async def test_an_email_is_changed_with_the_current_password(olympus_anywhere: Olympus) -> None:
    """`user:edit` changes the email, in lower case, and one signs in with the new one."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.post("/api/user", {"email": "New@Example.com", "currentPassword": PASSWORD})

    assert (answer.status, answer.json["email"]) == (200, "new@example.com")
    ada.email = "new@example.com"
    await olympus_anywhere.sign_in(ada)


async def test_an_email_that_is_taken_is_named_when_changing(olympus_anywhere: Olympus) -> None:
    """`user:edit` to the email of another is a 409 that names it."""
    ada, eve = await olympus_anywhere.person("Ada"), await olympus_anywhere.person("Eve")

    answer = await ada.client.post("/api/user", {"email": eve.email, "currentPassword": PASSWORD})

    assert (answer.status, blamed(answer)) == (409, ["email"])


async def test_a_new_password_replaces_the_old_one(olympus: Olympus) -> None:
    """After `user:edit` of the password, the new one signs in and the old one does not."""
    ada = await olympus.person("Ada")

    await ada.client.post("/api/user", {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD})

    refused = await olympus.client().put("/api/session", {"email": ada.email, "password": PASSWORD})
    assert refused.status == 401
    await olympus.sign_in(ada, password=ANOTHER_PASSWORD)


@pytest.mark.parametrize(("keep", "status"), [(False, 401), (True, 200)])
async def test_a_new_password_signs_out_the_other_sessions(olympus: Olympus, keep: bool, status: int) -> None:
    """A new password ends every other session, unless `keepOthers` is true; one's own goes on."""
    ada = await olympus.person("Ada")
    elsewhere = olympus.client()
    await elsewhere.put("/api/session", {"email": ada.email, "password": PASSWORD})

    await ada.client.post("/api/user", {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD, "keepOthers": keep})

    assert (await ada.client.get("/api/messages/list")).status == 200
    assert (await elsewhere.get("/api/messages/list")).status == status


async def test_signing_in_gives_the_user_and_the_times_of_the_session(olympus_anywhere: Olympus) -> None:
    """`session:create` answers 201 with the user, when the session ends, and a new cookie."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)

    signed_in = await olympus_anywhere.sign_in(ada)

    assert signed_in.keys() == {"user", "session"}
    assert signed_in["user"]["id"] == ada.id
    assert signed_in["session"].keys() == {"createdAt", "idleAt", "expiresAt"}
    assert [*ada.client.cookies] == ["session"]


async def test_an_email_signs_in_in_whatever_case(olympus: Olympus) -> None:
    """The email of `session:create` is compared in lower case."""
    ada = await olympus.person("Ada", signed_in=False)

    answer = await olympus.client().put("/api/session", {"email": ada.email.upper(), "password": PASSWORD})

    assert answer.status == 201


async def test_a_wrong_password_and_an_unknown_email_are_one_answer(olympus: Olympus) -> None:
    """Whatever is wrong, `session:create` answers 401 with the same bytes but for the request's id and time."""
    await olympus.person("Ada", signed_in=False)

    answers = [
        await olympus.client().put("/api/session", {"email": email, "password": password})
        for email, password in [
            ("ada@example.com", "something else entirely"),
            ("nobody@example.com", PASSWORD),
            ("no address", PASSWORD),
            ("olympus@built-in.invalid", PASSWORD),
        ]
    ]

    assert {answer.status for answer in answers} == {401}
    told = [
        {name: answer.error[name] for name in answer.error.keys() - {"requestId", "timestamp"}} for answer in answers
    ]
    assert told == [{"type": "NOT_SIGNED_IN", "message": "Email or password is wrong."}] * len(answers)
    names = [[name for name, _ in answer.raw.headers] for answer in answers]
    assert names == [names[0]] * len(answers)
    assert len({len(answer.body) for answer in answers}) == 1


async def test_signing_out_ends_the_session(olympus: Olympus) -> None:
    """`session:destroy` answers 204, clears the cookie, and the old id is worth nothing."""
    ada = await olympus.person("Ada")
    old = dict(ada.client.cookies)

    answer = await ada.client.delete("/api/session")

    assert (answer.status, answer.body) == (204, b"")
    assert not ada.client.cookies
    ada.client.cookies = old
    assert (await ada.client.get("/api/messages/list")).status == 401


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/user"), ("GET", f"/api/user/{UNKNOWN_ID}"), ("DELETE", "/api/session")]
)
async def test_a_stranger_is_asked_to_sign_in(olympus: Olympus, method: str, path: str) -> None:
    """What is for those signed in is a 401 for everybody else, whatever they send."""
    answer = await olympus.client().request(method, path)

    assert (answer.status, answer.error["type"]) == (401, "NOT_SIGNED_IN")
