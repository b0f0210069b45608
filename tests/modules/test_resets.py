"""A new password for whoever has forgotten theirs: asked for by anybody, carried by an event, used once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from tests.modules.identity_people import ME, refreshed, status_of, with_tokens
from tests.modules.mails_stage import ANOTHER_PASSWORD, ASK, confirmed, mailed, mails, sent, token_in
from tests.olympus_stage import PASSWORD, Olympus, Person, olympus_on


async def signs_in(olympus: Olympus, person: Person, password: str) -> int:
    """How signing in with this password is answered."""
    return (await olympus.client().put("/api/session", {"email": person.email, "password": password})).status


async def test_asking_always_answers_the_same(olympus_anywhere: Olympus) -> None:
    """Whether the address is somebody's or not; the event carries the token sealed."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)

    token = await mailed(olympus_anywhere, ada)
    answers = [await olympus_anywhere.client().post(ASK, {"email": each}) for each in (ada.email, "no@example.com")]

    (first, *_) = await mails(olympus_anywhere)
    assert [(answer.status, answer.body) for answer in answers] == [(202, b"")] * 2
    assert (first.user_id, first.email) == (ada.id, ada.email)
    assert token.reveal() not in repr(first)


async def test_a_new_password_is_set_and_everything_else_ends(olympus_anywhere: Olympus) -> None:
    """Whoever was signed in with the old one is out, on every device."""
    ada = await olympus_anywhere.person("Ada")
    tokens = await with_tokens(olympus_anywhere, ada)

    answer = await confirmed(olympus_anywhere, await mailed(olympus_anywhere, ada))

    assert answer.status == 204
    assert (await ada.client.get(ME)).status == 401
    assert await status_of(olympus_anywhere, tokens["accessToken"]) == 401
    assert (await refreshed(olympus_anywhere, tokens["refreshToken"])).status == 401
    assert [await signs_in(olympus_anywhere, ada, each) for each in (PASSWORD, ANOTHER_PASSWORD)] == [401, 201]


async def test_a_token_works_once(olympus_anywhere: Olympus) -> None:
    """Of many who show it at once, one sets the password."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    token = await mailed(olympus_anywhere, ada)

    answers = await asyncio.gather(*(confirmed(olympus_anywhere, token) for _ in range(4)))

    assert sorted(answer.status for answer in answers) in (
        [204, 403, 403, 403],
        [204, 403, 403, 429],
        [204, 403, 429, 429],
    )


async def test_only_the_newest_token_works(olympus: Olympus) -> None:
    """Asking again takes the token before back."""
    ada = await olympus.person("Ada", signed_in=False)
    first, second = await mailed(olympus, ada), await mailed(olympus, ada, 2)

    assert [(await confirmed(olympus, token)).status for token in (first, second)] == [403, 204]


async def test_a_change_of_email_or_password_ends_the_token(olympus: Olympus) -> None:
    """Whoever changes either may do so because somebody else reads their mail."""
    ada, ben = await olympus.person("Ada"), await olympus.person("Ben")
    for_ada, for_ben = await mailed(olympus, ada), await mailed(olympus, ben, 2)

    await ada.client.post("/api/user", {"password": "a harbour of quiet lamps", "currentPassword": PASSWORD})
    await ben.client.post("/api/user", {"email": "new@example.com", "currentPassword": PASSWORD})

    assert [(await confirmed(olympus, token)).status for token in (for_ada, for_ben)] == [403, 403]


async def test_a_refused_password_leaves_the_token(olympus: Olympus) -> None:
    """A weak password is named, and the same token sets a better one."""
    ada = await olympus.person("Ada", signed_in=False)
    token = await mailed(olympus, ada)

    weak = await confirmed(olympus, token, "password1")

    assert (weak.status, weak.error["fields"][0]["name"]) == (422, "password")
    assert (await confirmed(olympus, token)).status == 204


async def test_a_token_is_good_for_half_an_hour(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """After that it is like any other text; nor is it a token of another kind."""
    clock = StandingClock()
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, clock=clock) as olympus:
        ada = await olympus.person("Ada", signed_in=False)
        await olympus.client().post(ASK, {"email": ada.email})
        (mail,) = await sent(olympus, clock=clock)
        token = token_in(olympus, mail)
        as_access = await status_of(olympus, token.reveal())
        as_refresh = (await refreshed(olympus, token.reveal())).status
        clock.move(timedelta(minutes=30))

        assert (as_access, as_refresh) == (401, 401)
        assert (await confirmed(olympus, token)).status == 403
        assert await signs_in(olympus, ada, PASSWORD) == 201
