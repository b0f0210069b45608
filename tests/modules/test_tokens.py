"""Access and refresh tokens, from sign-in to the end of the family."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from joserfc import jws

from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.secrets import Secret
from antiphon.modules.accounts.families import Families, Refreshed, Reused
from antiphon.modules.accounts.roles import grant_role
from antiphon.modules.accounts.signing import rotate_signing_keys
from antiphon.modules.accounts.tables_identity import refresh_tokens, signing_keys
from antiphon.services.database import Database
from antiphon.services.identity import IdentitySettings
from tests.modules.identity_people import ME, bearer, me, refreshed, status_of, with_tokens
from tests.modules.mails_stage import mailed
from tests.olympus_stage import PASSWORD, Olympus, Person
from tests.services.events_stage import logged

ANOTHER_PASSWORD = "a quiet harbour, before the storm"
AGENT = "Harp/1.0"


def _settings(olympus: Olympus) -> IdentitySettings:
    return olympus.running.runtime.settings(IdentitySettings)


# Signing in for tokens


async def test_signing_in_for_tokens_gives_two_and_no_cookie(olympus_anywhere: Olympus) -> None:
    """The access token for ten minutes, the refresh token for 14 days, the sign-in for 30."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    client = olympus_anywhere.client()

    answer = await client.put("/api/session", {"email": ada.email, "password": PASSWORD, "tokens": True})

    tokens, session = answer.json["tokens"], answer.json["session"]
    made = datetime.fromisoformat(session["createdAt"])
    assert answer.status == 201
    assert tokens["tokenType"] == "Bearer"
    assert timedelta(minutes=9) < datetime.fromisoformat(tokens["expiresAt"]) - made <= timedelta(minutes=10)
    assert (datetime.fromisoformat(tokens["refreshExpiresAt"]) - made).days == 14
    assert round((datetime.fromisoformat(session["expiresAt"]) - made) / timedelta(days=1)) == 30
    assert client.cookies == {}
    assert answer.header("cache-control") == "no-store"


async def test_without_asking_there_are_no_tokens(olympus: Olympus) -> None:
    """A browser gets a cookie, and nothing in the body that could be stolen from a page."""
    ada = await olympus.person("Ada", signed_in=False)

    assert "tokens" not in await olympus.sign_in(ada)


async def test_a_token_is_who_signed_in(olympus_anywhere: Olympus) -> None:
    """`user:me` names the user, the roles, what they hold, the sign-in and when the token ends."""
    hera = await olympus_anywhere.admin()
    tokens = await with_tokens(olympus_anywhere, hera)

    shown = await me(olympus_anywhere.client(), tokens["accessToken"])

    assert (shown["user"]["id"], shown["user"]["email"]) == (hera.id, hera.email)
    assert shown["roles"] == ["admin"]
    assert "*:*:any" in shown["permissions"]
    assert shown["session"]["via"] == "token"
    assert shown["session"]["expiresAt"] == tokens["expiresAt"]


async def test_a_cookie_is_who_signed_in_too(olympus: Olympus) -> None:
    """`user:me` answers both in the same way."""
    ada = await olympus.person("Ada")

    shown = await me(ada.client)

    assert (shown["user"]["id"], shown["session"]["via"]) == (ada.id, "session")
    assert (await olympus.client().get(ME)).status == 401


async def test_a_token_wins_over_the_cookie_beside_it(olympus: Olympus) -> None:
    """The cookie is not read, be the token good or bad."""
    ada, ben = await olympus.person("Ada"), await olympus.person("Ben")
    tokens = await with_tokens(olympus, ben)

    good = await ada.client.get(ME, bearer(tokens["accessToken"]))
    bad = await ada.client.get(ME, bearer(tokens["refreshToken"]))

    assert (good.json["user"]["id"], bad.status) == (ben.id, 401)
    assert bad.header("www-authenticate") == "Bearer"
    assert ada.client.cookies


async def test_a_refresh_token_is_no_access_token(olympus: Olympus) -> None:
    """It opens nothing but the next pair; nor is an access token of use where a refresh token is asked for."""
    tokens = await with_tokens(olympus, await olympus.person("Ada", signed_in=False))

    assert await status_of(olympus, tokens["refreshToken"]) == 401
    assert (await refreshed(olympus, tokens["accessToken"])).status == 401
    assert await status_of(olympus, tokens["accessToken"]) == 200


# Refreshing


async def test_refreshing_gives_the_next_pair(olympus_anywhere: Olympus) -> None:
    """Of the same sign-in; the old access token goes on until it ends."""
    first = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))

    answer = await refreshed(olympus_anywhere, first["refreshToken"])

    second = answer.json
    assert answer.status == 200
    assert not {first["accessToken"], first["refreshToken"]} & {second["accessToken"], second["refreshToken"]}
    sids = [(await me(olympus_anywhere.client(), each["accessToken"]))["session"]["id"] for each in (first, second)]
    assert sids[0] == sids[1]
    assert (await refreshed(olympus_anywhere, second["refreshToken"])).status == 200


async def test_the_same_device_may_show_it_again_for_ten_seconds(olympus_anywhere: Olympus) -> None:
    """Two tabs, or an answer that was lost: both get the same successor, and there is no second branch."""
    first = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))

    answers = [await refreshed(olympus_anywhere, first["refreshToken"], agent=AGENT) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.json["refreshToken"] for answer in answers}) == 1


async def test_fifty_refreshes_at_once_give_one_successor(olympus_anywhere: Olympus) -> None:
    """However they meet, each token has one successor in the database and everybody is told the same one."""
    first = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))
    database = olympus_anywhere.running.runtime.require(Database, "the test")

    async def use() -> str:
        async with database.transaction(write=True) as work:
            found = await Families(work.unscoped("a test"), _settings(olympus_anywhere), datetime.now(UTC)).use(
                Secret(first["refreshToken"]), "one device"
            )
        assert isinstance(found, Refreshed)
        return found.token.reveal()

    told = await asyncio.gather(*(use() for _ in range(50)))

    async with database.transaction() as work:
        rows = (await work.unscoped("a test").execute(refresh_tokens.select())).all()
    assert len(Counter(told)) == 1
    assert len(rows) == 2


async def test_another_device_ends_the_family(olympus_anywhere: Olympus) -> None:
    """Within ten seconds too: it says it is something else, so somebody has a copy."""
    first = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))
    second = (await refreshed(olympus_anywhere, first["refreshToken"], agent=AGENT)).json

    stolen = await refreshed(olympus_anywhere, first["refreshToken"], agent="Lute/2.0")

    assert stolen.status == 401
    assert (await refreshed(olympus_anywhere, second["refreshToken"], agent=AGENT)).status == 401
    assert await status_of(olympus_anywhere, second["accessToken"]) == 401


async def test_a_reuse_is_told_to_every_node(olympus: Olympus) -> None:
    """Whoever holds sockets of the sign-in hears its name."""
    first = await with_tokens(olympus, await olympus.person("Ada", signed_in=False))
    sid = (await me(olympus.client(), first["accessToken"]))["session"]["id"]
    heard: list[Revoked] = []
    stop = olympus.running.runtime.require(Revocations, "the test").subscribe(heard.append)

    await refreshed(olympus, first["refreshToken"], agent=AGENT)
    await refreshed(olympus, first["refreshToken"], agent="Lute/2.0")
    stop()

    assert heard == [Revoked("session", sid)]


async def test_a_reuse_is_announced(olympus_anywhere: Olympus) -> None:
    """`RefreshTokenReused` names user and sign-in, once, and no token; though the call that showed it failed."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    first = await with_tokens(olympus_anywhere, ada)
    sid = (await me(olympus_anywhere.client(), first["accessToken"]))["session"]["id"]
    await refreshed(olympus_anywhere, first["refreshToken"], agent=AGENT)

    for _ in range(2):
        await refreshed(olympus_anywhere, first["refreshToken"], agent="Lute/2.0")

    # Announced behind them, so that a second one would have been seen.
    await mailed(olympus_anywhere, ada)
    kept = await logged(olympus_anywhere.running.runtime, "accounts")
    announced, *others = [each.event for each in kept if each.event is not None]
    assert announced.type == "olympus.accounts.refresh-token-reused"
    assert msgspec.json.decode(announced.data) == {"userId": ada.id, "sessionId": sid}
    assert [each.type for each in others] == ["olympus.accounts.password-reset-asked"]


async def test_a_token_shown_late_ends_the_family(olympus_anywhere: Olympus) -> None:
    """After ten seconds nobody but a thief shows it again; and the sealed successor has been wiped."""
    first = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))
    database = olympus_anywhere.running.runtime.require(Database, "the test")
    settings, now = _settings(olympus_anywhere), datetime.now(UTC)

    async def use(token: str, at: datetime) -> Refreshed | Reused | None:
        async with database.transaction(write=True) as work:
            return await Families(work.unscoped("a test"), settings, at).use(Secret(token), "one device")

    second = await use(first["refreshToken"], now)
    assert isinstance(second, Refreshed)
    early = await use(first["refreshToken"], now + timedelta(seconds=9))
    late = await use(first["refreshToken"], now + timedelta(seconds=10))
    third = await use(second.token.reveal(), now + timedelta(seconds=11))
    async with database.transaction() as work:
        sealed = (await work.unscoped("a test").execute(refresh_tokens.select())).all()

    assert isinstance(early, Refreshed)
    assert early.token == second.token
    assert isinstance(late, Reused)
    assert isinstance(third, Refreshed)
    assert sum(bool(row.sealed) for row in sealed) == 1


async def test_what_is_no_refresh_token_tells_nothing(olympus: Olympus) -> None:
    """Unknown, empty of sense, or of an ended sign-in: the same words."""
    first = await with_tokens(olympus, await olympus.person("Ada", signed_in=False))
    await olympus.client().delete("/api/session", bearer(first["accessToken"]))

    answers = [await refreshed(olympus, text) for text in ("a", "A" * 43, first["refreshToken"])]

    assert {(answer.status, answer.error["message"]) for answer in answers} == {
        (401, "The refresh token is of no use. Sign in again.")
    }


async def test_the_database_holds_no_token(olympus: Olympus) -> None:
    """Refresh tokens are there as SHA-256, private keys sealed."""
    first = await with_tokens(olympus, await olympus.person("Ada", signed_in=False))
    second = (await refreshed(olympus, first["refreshToken"])).json
    database = olympus.running.runtime.require(Database, "the test")

    async with database.transaction() as work:
        anywhere = work.unscoped("a test")
        held = repr((await anywhere.execute(refresh_tokens.select())).all())
        held += repr((await anywhere.execute(signing_keys.select())).all())

    assert not any(text in held for each in (first, second) for text in (each["refreshToken"], each["accessToken"]))
    assert '"d"' not in held


# What ends them


async def test_signing_out_ends_the_tokens_of_the_device(olympus_anywhere: Olympus) -> None:
    """Access token and family; another device and a cookie go on, and the cookie beside the token is kept."""
    ada = await olympus_anywhere.person("Ada")
    one, other = await with_tokens(olympus_anywhere, ada), await with_tokens(olympus_anywhere, ada)

    answer = await ada.client.delete("/api/session", bearer(one["accessToken"]))

    assert answer.status == 204
    assert await status_of(olympus_anywhere, one["accessToken"]) == 401
    assert (await refreshed(olympus_anywhere, one["refreshToken"])).status == 401
    assert await status_of(olympus_anywhere, other["accessToken"]) == 200
    assert (await ada.client.get(ME)).status == 200


async def test_a_new_password_ends_every_other_sign_in(olympus_anywhere: Olympus) -> None:
    """Cookies, families and access tokens, but the one that changed it."""
    ada = await olympus_anywhere.person("Ada")
    elsewhere = Person(ada.name, ada.email, ada.id, olympus_anywhere.client())
    await olympus_anywhere.sign_in(elsewhere)
    mine, other = await with_tokens(olympus_anywhere, ada), await with_tokens(olympus_anywhere, ada)

    body = {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD}
    answer = await olympus_anywhere.client().post("/api/user", body, bearer(mine["accessToken"]))

    assert answer.status == 200
    assert await status_of(olympus_anywhere, mine["accessToken"]) == 200
    assert await status_of(olympus_anywhere, other["accessToken"]) == 401
    assert (await refreshed(olympus_anywhere, other["refreshToken"])).status == 401
    assert [(await person.client.get(ME)).status for person in (ada, elsewhere)] == [401, 401]


async def test_a_change_of_roles_asks_for_a_refresh(olympus_anywhere: Olympus) -> None:
    """The access token holds no longer, and refreshing gives one with the new roles."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus_anywhere, ada)

    await olympus_anywhere.running.call(grant_role, ada.id, "admin")
    before = await status_of(olympus_anywhere, tokens["accessToken"])
    renewed = (await refreshed(olympus_anywhere, tokens["refreshToken"])).json

    assert before == 401
    assert (await me(olympus_anywhere.client(), renewed["accessToken"]))["roles"] == ["admin"]


# Keys and inspection


async def test_everybody_may_read_the_key_set(olympus_anywhere: Olympus) -> None:
    """At its well-known address, for five minutes, public parts only; the token names a key of it."""
    tokens = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))

    answer = await olympus_anywhere.client().get("/.well-known/jwks.json")

    (key,) = answer.json["keys"]
    assert answer.status == 200
    assert answer.header("cache-control") == "public, max-age=300"
    assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
    assert jws.extract_compact(tokens["accessToken"].encode()).protected["kid"] == key["kid"]


async def test_keys_rotate_step_by_step(olympus_anywhere: Olympus) -> None:
    """The first step publishes the next key; the second waits for ten minutes, and says so."""
    tokens = await with_tokens(olympus_anywhere, await olympus_anywhere.person("Ada", signed_in=False))

    states = [key.state for key in await olympus_anywhere.running.call(rotate_signing_keys)]
    shown = (await olympus_anywhere.client().get("/.well-known/jwks.json")).json["keys"]

    assert sorted(states) == ["current", "next"]
    assert len(shown) == 2
    with pytest.raises(Exception, match="10 minutes"):
        await olympus_anywhere.running.call(rotate_signing_keys)
    assert await status_of(olympus_anywhere, tokens["accessToken"]) == 200


async def test_an_admin_may_ask_what_a_token_is_worth(olympus: Olympus) -> None:
    """Names as RFC 7662 writes them; of what is unknown, ended or used only that it is worth nothing."""
    hera, ada = await olympus.admin(), await olympus.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus, ada)

    async def inspected(text: str) -> dict[str, object]:
        answer = await hera.client.post("/api/token/inspect", {"token": text})
        assert answer.status == 200, answer.body
        return answer.json

    access, refresh = await inspected(tokens["accessToken"]), await inspected(tokens["refreshToken"])
    await refreshed(olympus, tokens["refreshToken"])
    used, unknown = await inspected(tokens["refreshToken"]), await inspected("nothing of ours")

    assert (access["active"], access["token_type"], access["sub"]) == (True, "access_token", ada.id)
    assert {"iss", "exp", "iat", "jti", "sid", "tenant_id"} <= access.keys()
    assert (refresh["active"], refresh["token_type"]) == (True, "refresh_token")
    assert used == unknown == {"active": False}


async def test_nobody_else_may_ask(olympus: Olympus) -> None:
    """Inspecting is for admins: what others hold is none of anybody's business."""
    ada = await olympus.person("Ada")

    assert (await ada.client.post("/api/token/inspect", {"token": "a"})).status == 403
