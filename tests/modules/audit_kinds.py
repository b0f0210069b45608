"""Every kind of thing that is recorded in the audit log of Olympus: how it comes about, and the row it leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update

from antiphon import ANONYMOUS, Database, NotSignedIn
from antiphon.modules.accounts.signing import rotate_signing_keys
from antiphon.services.audit.desk import AuditDesk
from antiphon.services.audit.tables import audit_log
from olympus.messages.actions import clean_up_messages
from olympus.messages.tables import messages
from tests.modules.identity_people import refreshed, with_tokens
from tests.modules.mails_stage import ANOTHER_PASSWORD, ASK
from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus, Person
from tests.services.channel_stage import Node, Screen

SESSION = "/api/session"


async def log(olympus: Olympus) -> list[Any]:
    """Every row, with those that only wait to be written."""
    await olympus.running.runtime.require(AuditDesk, "the test").flush()
    database = olympus.running.runtime.require(Database, "the test")
    async with database.transaction() as work:
        return [*(await work.execute(select(audit_log).order_by(audit_log.c.seq))).all()]


class Cast(NamedTuple):
    """Olympus with a user and an admin in it, and a number that no other cast has."""

    number: int
    olympus: Olympus
    ada: Person
    hera: Person


type Row = tuple[str, str, str, str]
"""Actor, action, object and outcome."""

type Deed = Callable[[Cast], Awaitable[object]]
type Kind = tuple[Deed, Row]


async def wrong(cast: Cast, email: str = "") -> None:
    """Fail to sign in."""
    await cast.olympus.client().put(SESSION, {"email": email or cast.ada.email, "password": "wrong " + PASSWORD})


async def lock_out(cast: Cast) -> None:
    """Guess until the next guess has to wait, wherever the guesses are counted."""
    for _ in range(40):
        answer = await cast.olympus.client().put(SESSION, {"email": cast.ada.email, "password": "wrong " + PASSWORD})
        if answer.status == 429:
            return
    raise AssertionError("nobody was ever locked out")


async def reuse(cast: Cast) -> None:
    """Show a refresh token again, from another device."""
    tokens = await with_tokens(cast.olympus, cast.ada)
    await refreshed(cast.olympus, tokens["refreshToken"])
    await refreshed(cast.olympus, tokens["refreshToken"], agent="Another/1.0")


async def another_password(cast: Cast) -> None:
    """Change one's password."""
    body = {"password": ANOTHER_PASSWORD, "currentPassword": PASSWORD}
    assert (await cast.ada.client.post("/api/user", body)).status == 200


async def key(cast: Cast, *, revoked: bool) -> None:
    """Make an API key, and revoke it."""
    client = (await cast.olympus.holder("customer", f"Kore {cast.number}")).client
    made = await client.put("/api/key", {"name": "a key", "permissions": ["task:*:own"]})
    assert made.status == 201, made.body
    if revoked:
        await client.delete(f"/api/key/{made.json['id']}")


async def tenant(cast: Cast, then: str = "") -> None:
    """Make a tenant, and do something with it."""
    made = (await cast.hera.client.post("/api/v1/tenants", {"name": f"choir-{cast.number}"})).json["id"]
    if then == "join":
        await cast.hera.client.put(f"/api/v1/users/{cast.ada.id}/tenant", {"tenantId": made})
    elif then:
        assert (await cast.hera.client.post(f"/api/v1/tenants/{made}/{then}")).status == 200


async def revoke(cast: Cast) -> None:
    """End another sign-in of one's own."""
    await with_tokens(cast.olympus, cast.ada)
    listed = (await cast.ada.client.get("/api/sessions")).json["sessions"]
    other = next(each["id"] for each in listed if not each["current"])
    assert (await cast.ada.client.delete(f"/api/sessions/{other}")).status == 204


async def clean_up(cast: Cast) -> None:
    """Clean up a message that is old."""
    await cast.ada.client.put("/api/message", {"body": "hello"})
    database = cast.olympus.running.runtime.require(Database, "the test")
    async with database.transaction(write=True) as work:
        old = update(messages).values(created_at=datetime.now(UTC) - timedelta(days=9))
        await work.unscoped("the test makes messages old").execute(old)
    await cast.olympus.running.call(clean_up_messages)


async def knock(cast: Cast) -> None:
    """Try to watch a channel as a stranger."""
    with suppress(NotSignedIn):
        await Screen(Node(cast.olympus.running.runtime), ANONYMOUS).watch("messages")


async def too_many(cast: Cast) -> None:
    """Post until no more may be posted."""
    for _ in range(31):
        await cast.ada.client.put("/api/message", {"body": "hello"})


ADA, HERA, ANY = "{ada}", "{hera}", "*"

KINDS: dict[str, dict[str, Kind]] = {
    "signing in": {
        "sign-in": (lambda c: c.olympus.sign_in(c.ada), (ADA, "session:create", ADA, "signed in")),
        "wrong password": (wrong, ("anonymous", "session:create", ADA, "failed")),
        "unknown account": (lambda c: wrong(c, "no@example.com"), ("anonymous", "session:create", "", "failed")),
        "lockout": (lock_out, ("anonymous", "session:create", "", "locked out")),
        "sign-out": (lambda c: c.ada.client.delete(SESSION), (ADA, "session:destroy", ADA, "signed out")),
        "revoke": (revoke, (ADA, "sessions:revoke", ANY, "revoked")),
        "revoke others": (
            lambda c: c.ada.client.delete("/api/sessions/others"),
            (ADA, "sessions:revoke", ADA, "others signed out"),
        ),
        "sign a user out": (
            lambda c: c.hera.client.delete(f"/api/v1/users/{c.ada.id}/sessions"),
            (HERA, "user:sign-out", ADA, "signed out everywhere"),
        ),
        "refresh reuse": (reuse, ("anonymous", "session:refresh", ANY, "reused")),
    },
    "passwords": {
        "password change": (another_password, (ADA, "user:edit", ADA, "password changed")),
        "password change refused": (
            lambda c: c.ada.client.post("/api/user", {"password": ANOTHER_PASSWORD, "currentPassword": "x"}),
            (ADA, "user:edit", "", "refused"),
        ),
        "reset asked": (
            lambda c: c.olympus.client().post(ASK, {"email": c.ada.email}),
            ("anonymous", "reset:request", ADA, "reset asked"),
        ),
        "reset asked for nobody": (
            lambda c: c.olympus.client().post(ASK, {"email": "no@example.com"}),
            ("anonymous", "reset:request", "", "reset asked"),
        ),
    },
    "keys": {
        "key made": (lambda c: key(c, revoked=False), (ANY, "key:create", ANY, "created")),
        "key revoked": (lambda c: key(c, revoked=True), (ANY, "key:revoke", ANY, "revoked")),
    },
    "tenants and users": {
        "tenant made": (tenant, (HERA, "tenant:create", ANY, "done")),
        "tenant disabled": (lambda c: tenant(c, "disable"), (HERA, "tenant:disable", ANY, "done")),
        "tenant enabled": (lambda c: tenant(c, "enable"), (HERA, "tenant:enable", ANY, "done")),
        "tenant joined": (lambda c: tenant(c, "join"), (HERA, "tenant:join", ANY, "done")),
        "user disabled": (
            lambda c: c.hera.client.post(f"/api/v1/users/{c.ada.id}/disable"),
            (HERA, "user:disable", ADA, "disabled"),
        ),
        "user enabled": (
            lambda c: c.hera.client.post(f"/api/v1/users/{c.ada.id}/enable"),
            (HERA, "user:enable", ADA, "enabled"),
        ),
        "signing keys rotated": (
            lambda c: c.olympus.running.call(rotate_signing_keys),
            ("system", "signing-keys:rotate", ANY, "rotated"),
        ),
    },
    "looks beyond": {
        "scope any": (
            lambda c: c.hera.client.get(f"/api/v1/users/{c.ada.id}/sessions"),
            (HERA, "user:sessions", "", "any scope"),
        ),
        "unscoped": (
            lambda c: c.hera.client.get(f"/api/v1/access?user={c.ada.id}&action=user:me"),
            (HERA, "access:explain", "an admin asks what a user of any tenant may do", "unscoped"),
        ),
        "unscoped by whoever signs in": (
            wrong,
            ("anonymous", "session:create", "whoever signs in has not said to which tenant", "unscoped"),
        ),
    },
    "what did not pass": {
        "refusal": (lambda c: c.ada.client.get("/api/v1/tenants"), (ADA, "tenants:list", "admin", "refused")),
        "refusal of a stranger": (
            lambda c: c.olympus.client().get("/api/v1/tenants"),
            ("anonymous", "tenants:list", "admin", "refused"),
        ),
        "a channel's door": (knock, ("anonymous", ANY, "signed_in", "refused")),
        "an admin's failure": (
            lambda c: c.hera.client.post(f"/api/v1/tenants/{UNKNOWN_ID}/disable"),
            (HERA, "tenant:disable", "", "failed: NOT_FOUND"),
        ),
        "limit": (too_many, (ADA, "message:create", ANY, "limited")),
        "purge": (clean_up, ("system", "messages:cleanup", ANY, "purged")),
    },
}
"""By theme and kind: what is done, and the row that it leaves; `*` is whatever it is."""


def fits(row: Any, expected: Row, cast: Cast) -> bool:
    """Whether a row of the log is the expected one."""
    names = {ADA: cast.ada.id, HERA: cast.hera.id}
    wanted = [names.get(word, word) for word in expected]
    found = (row.actor, row.action, row.object, row.outcome)
    return all(word in (ANY, value) for word, value in zip(wanted, found, strict=True))
