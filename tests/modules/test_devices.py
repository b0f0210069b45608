"""Where people are signed in: what the list shows, what ends a sign-in, and what is kept of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from antiphon.modules.accounts.devices import MOST
from antiphon.modules.accounts.devices_actions import purge_sessions
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.modules.identity_people import ME, bearer, me, refreshed, status_of, with_tokens
from tests.olympus_stage import UNKNOWN_ID, Olympus, Person, olympus_on

LIST = "/api/sessions"


async def sessions(person: Person) -> list[dict[str, object]]:
    """What the list of a person shows."""
    answer = await person.client.get(LIST)
    assert answer.status == 200, answer.body
    return answer.json["sessions"]


async def elsewhere(olympus: Olympus, person: Person) -> Person:
    """The same person, signed in with another browser."""
    other = Person(person.name, person.email, person.id, olympus.client())
    await olympus.sign_in(other)
    return other


async def test_the_list_shows_every_sign_in_of_ones_own(olympus_anywhere: Olympus) -> None:
    """Cookies and tokens, newest first, with address and agent; the one that asks is marked. No secret is in it."""
    ada = await olympus_anywhere.person("Ada")
    await olympus_anywhere.person("Ben")
    tokens = await with_tokens(olympus_anywhere, ada, agent="Harp/1.0\t(x)")

    shown = await sessions(ada)

    assert [(each["kind"], each["current"]) for each in shown] == [("tokens", False), ("session", True)]
    assert shown[0]["agent"] == "Harp/1.0?(x)"
    assert shown[0]["address"] == "127.0.0.1"
    answer = await ada.client.get(LIST)
    assert not any(
        text in answer.body.decode() for text in (*tokens.values(), *ada.client.cookies.values()) if text != "Bearer"
    )


async def test_a_sign_in_and_its_tokens_have_one_name(olympus: Olympus) -> None:
    """The `sid` of a cookie's session, of a token and of the list are the same."""
    ada = await olympus.person("Ada")
    tokens = await with_tokens(olympus, ada)

    names = [(await me(ada.client))["session"]["id"], (await me(ada.client, tokens["accessToken"]))["session"]["id"]]

    assert [each["id"] for each in await sessions(ada)] == names[::-1]


async def test_one_sign_in_is_ended_by_its_name(olympus_anywhere: Olympus) -> None:
    """From another device, at once: a browser's, and a client's with tokens."""
    ada = await olympus_anywhere.person("Ada")
    browser, tokens = await elsewhere(olympus_anywhere, ada), await with_tokens(olympus_anywhere, ada)
    others = [str(each["id"]) for each in await sessions(ada) if not each["current"]]

    answers = [await ada.client.delete(f"{LIST}/{sid}") for sid in others]

    assert [answer.status for answer in answers] == [204, 204]
    assert (await browser.client.get(ME)).status == 401
    assert await status_of(olympus_anywhere, tokens["accessToken"]) == 401
    assert (await refreshed(olympus_anywhere, tokens["refreshToken"])).status == 401
    assert len(await sessions(ada)) == 1


async def test_all_others_are_ended_together(olympus_anywhere: Olympus) -> None:
    """`others` in the place of a name leaves the one that asks."""
    ada = await olympus_anywhere.person("Ada")
    browser, tokens = await elsewhere(olympus_anywhere, ada), await with_tokens(olympus_anywhere, ada)

    answer = await browser.client.delete(f"{LIST}/others")

    assert answer.status == 204
    assert [(await person.client.get(ME)).status for person in (ada, browser)] == [401, 200]
    assert await status_of(olympus_anywhere, tokens["accessToken"]) == 401


async def test_nobody_ends_what_is_not_theirs(olympus: Olympus) -> None:
    """Another's sign-in looks like one that is not there, and one that ended like both."""
    ada, ben = await olympus.person("Ada"), await olympus.person("Ben")
    sid = (await me(ben.client))["session"]["id"]
    gone = (await me((await elsewhere(olympus, ada)).client))["session"]["id"]
    await ada.client.delete(f"{LIST}/{gone}")

    answers = [await ada.client.delete(f"{LIST}/{name}") for name in (sid, "unknown", gone, UNKNOWN_ID)]

    assert {(answer.status, answer.error["message"]) for answer in answers} == {(404, "There is no such session.")}
    assert (await ben.client.get(ME)).status == 200


async def test_the_oldest_sign_in_ends_for_one_too_many(olympus: Olympus) -> None:
    """Twenty at once, cookies and tokens together."""
    ada = await olympus.person("Ada")
    first = await with_tokens(olympus, ada)
    for _ in range(MOST - 2):
        await with_tokens(olympus, ada)
    before = await status_of(olympus, first["accessToken"])

    await with_tokens(olympus, ada)
    last = await with_tokens(olympus, ada)

    assert before == 200
    assert (await ada.client.get(ME)).status == 401
    assert await status_of(olympus, first["accessToken"]) == 401
    assert await status_of(olympus, last["accessToken"]) == 200


async def test_an_admin_sees_and_ends_the_sign_ins_of_a_user(olympus_anywhere: Olympus) -> None:
    """`user:sessions` and `user:sign-out`; nobody else may, and an unknown user is a 404."""
    hera, ada = await olympus_anywhere.admin(), await olympus_anywhere.person("Ada")
    tokens = await with_tokens(olympus_anywhere, ada)
    path = f"/api/v1/users/{ada.id}/sessions"

    shown, ended = await hera.client.get(path), await hera.client.delete(path)

    assert len(shown.json["sessions"]) == 2
    assert ended.json == {"ended": 2}
    assert (await ada.client.get(ME)).status == 401
    assert await status_of(olympus_anywhere, tokens["accessToken"]) == 401
    assert (await hera.client.get(f"/api/v1/users/{UNKNOWN_ID}/sessions")).status == 404


async def test_a_user_does_not_see_those_of_others(olympus: Olympus) -> None:
    """Without the right, `user:sessions` of another is refused."""
    ada, ben = await olympus.person("Ada"), await olympus.person("Ben")

    answers = [await call(f"/api/v1/users/{ben.id}/sessions") for call in (ada.client.get, ada.client.delete)]

    assert all(answer.status in (403, 404) for answer in answers)
    assert (await ben.client.get(ME)).status == 200


async def test_a_disabled_user_is_out_everywhere(olympus_anywhere: Olympus) -> None:
    """Cookie, tokens and family end at once, and nobody signs in until the user is enabled."""
    hera, ada = await olympus_anywhere.admin(), await olympus_anywhere.person("Ada")
    tokens = await with_tokens(olympus_anywhere, ada)
    client = olympus_anywhere.client()
    body = {"email": ada.email, "password": "four lanterns over still water"}

    disabled = await hera.client.post(f"/api/v1/users/{ada.id}/disable")
    found = [(await ada.client.get(ME)).status, await status_of(olympus_anywhere, tokens["accessToken"])]
    found += [(await refreshed(olympus_anywhere, tokens["refreshToken"])).status]
    found += [(await client.put("/api/session", body)).status]
    await hera.client.post(f"/api/v1/users/{ada.id}/enable")

    assert disabled.json == {"userId": ada.id, "disabled": True}
    assert found == [401, 401, 401, 401]
    assert (await client.put("/api/session", body)).status == 201


async def test_a_sign_in_is_seen_when_it_is_used(olympus: Olympus) -> None:
    """Noted beside the calls, once a minute at most."""
    ada = await olympus.person("Ada")
    await with_tokens(olympus, ada)
    first = (await sessions(ada))[-1]["seenAt"]

    await ada.client.get(ME)

    assert (await sessions(ada))[-1]["seenAt"] == first


async def test_times_of_a_sign_in_pass(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """It is seen again after a minute; it ends when it was not used for long; thirty days later its row goes."""
    clock = StandingClock()
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, clock=clock) as olympus:
        ada = await olympus.person("Ada")
        tokens = await with_tokens(olympus, ada)
        clock.move(timedelta(minutes=5))
        await ada.client.get(ME)
        clock.move(timedelta(seconds=1))

        async def seen() -> bool:
            shown = {each["kind"]: each for each in await sessions(ada)}
            return str(shown["session"]["seenAt"]) > str(shown["tokens"]["seenAt"])

        await wait_until(seen, "the sign-in was never seen again")
        clock.move(timedelta(days=13))
        renewed = await refreshed(olympus, tokens["refreshToken"])
        clock.move(timedelta(days=13))
        live = await olympus.client().get(
            LIST, bearer((await refreshed(olympus, renewed.json["refreshToken"])).json["accessToken"])
        )
        clock.move(timedelta(days=5))
        rows = (await olympus.running.call(purge_sessions)).ended
        clock.move(timedelta(days=30))

        assert [each["kind"] for each in live.json["sessions"]] == ["tokens"]
        assert rows == 0
        assert (await olympus.running.call(purge_sessions)).ended == 2
        assert (await refreshed(olympus, renewed.json["refreshToken"])).status == 401
