"""Refresh tokens: one use each, in a family for each sign-in; what shows that one was stolen ends the family."""

# A token is 256 random bits, kept as SHA-256. Its row says of which sign-in it is and, from the second on, whose
# successor (`parent`). A token is used when it has a successor, and `parent` is unique: so one statement both uses a
# token and makes the next, and of any number of callers with the same token exactly one makes it.
#
#     shown is a token that                                   answer
#     is unknown, or past its own end or its sign-in's        NotSignedIn
#     was not used                                            its successor, made now
#     was used up to 10 s ago by the same address and agent   the same successor: two tabs, or an answer that was lost
#     was used otherwise                                      NotSignedIn; its sign-in ends. Somebody has a copy
#
# For those 10 s the successor's row holds its text, sealed under the parent's: only who shows the parent can open it.
# What is older is wiped by the next refresh of the family, and by the hourly purge.

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, NamedTuple

from sqlalchemy import insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from antiphon import BadSeal, Context, IdentitySettings, Seal, Secret, Work, scoped, secret_digest
from antiphon.modules.accounts.tables_identity import devices, refresh_tokens

_TEXT_BYTES = 32
LARGEST = 128


class Refreshed(NamedTuple):
    """A successor, and the sign-in that it belongs to."""

    token: Secret[str]
    device_id: str
    expires_at: datetime


class Reused(NamedTuple):
    """A token was shown again that had been used: the sign-in of this name and user has to end."""

    device_id: str
    user_id: str


class Families:
    """The refresh tokens within one call's transaction."""

    def __init__(self, work: Work, settings: IdentitySettings, now: datetime) -> None:
        self._work = work
        self._settings = settings
        self._now = now

    async def begin(self, device_id: str, ends_at: datetime) -> Refreshed:
        """The first token of a sign-in."""
        token, expires_at = token_urlsafe(_TEXT_BYTES), min(self._now + self._settings.refresh_time, ends_at)
        await self._work.execute(
            insert(refresh_tokens).values(
                digest=secret_digest(token), device_id=device_id, created_at=self._now, expires_at=expires_at
            )
        )
        return Refreshed(Secret(token), device_id, expires_at)

    async def use(self, text: Secret[str], asked_by: str) -> Refreshed | Reused | None:
        """Use a token; None for one that is of no use. `asked_by` tells devices apart."""
        shown = text.reveal()
        parent = secret_digest(shown)
        found = await self._make(shown, parent, asked_by)
        if found is not None:
            return found
        return await self._again(shown, parent, asked_by)

    async def _make(self, shown: str, parent: str, asked_by: str) -> Refreshed | None:
        token = token_urlsafe(_TEXT_BYTES)
        row, at = refresh_tokens.c, self._now
        expires_at = at + self._settings.refresh_time
        old = (
            select(
                literal(secret_digest(token)),
                row.device_id,
                literal(parent),
                literal(Seal.under(shown).close(token)),
                literal(asked_by),
                literal(at, row.created_at.type),
                literal(expires_at, row.expires_at.type),
            )
            .join_from(refresh_tokens, devices, devices.c.id == row.device_id)
            .where(row.digest == parent, row.expires_at > at, devices.c.ended_at.is_(None), devices.c.expires_at > at)
        )
        columns = ["digest", "device_id", "parent", "sealed", "asked_by", "created_at", "expires_at"]
        make = postgresql.insert(refresh_tokens) if self._work.engine == "postgresql" else sqlite.insert(refresh_tokens)
        statement = (
            make.from_select(columns, old)
            .on_conflict_do_nothing(index_elements=[row.parent])
            .returning(row.device_id, row.expires_at)
        )
        made = (await self._work.execute(statement)).one_or_none()
        if made is None:
            return None
        stale = update(refresh_tokens).where(
            row.device_id == made.device_id, row.sealed != "", row.created_at <= at - self._settings.race_time
        )
        await self._work.execute(stale.values(sealed=""))
        return Refreshed(Secret(token), made.device_id, made.expires_at)

    async def _again(self, shown: str, parent: str, asked_by: str) -> Refreshed | Reused | None:
        """What becomes of a token that makes no successor: it is of no use, or was used before."""
        row = refresh_tokens.c
        found = (
            await self._work.execute(
                select(
                    row.device_id, row.sealed, row.asked_by, row.created_at, row.expires_at, devices.c.user_id,
                    devices.c.ended_at, devices.c.expires_at.label("family_ends_at"),
                )
                .join_from(refresh_tokens, devices, devices.c.id == row.device_id)
                .where(row.parent == parent)
            )
        ).one_or_none()  # fmt: skip
        if found is None or found.ended_at is not None or found.family_ends_at <= self._now:
            return None
        recent = found.created_at + self._settings.race_time > self._now
        if recent and found.asked_by == asked_by and found.sealed:
            try:
                return Refreshed(Secret(Seal.under(shown).open(found.sealed)), found.device_id, found.expires_at)
            except BadSeal:
                pass
        return Reused(found.device_id, found.user_id)

    async def wipe(self) -> None:
        """Wipe every sealed successor whose time is over."""
        row = refresh_tokens.c
        stale = update(refresh_tokens).where(row.sealed != "", row.created_at <= self._now - self._settings.race_time)
        await self._work.execute(stale.values(sealed=""))

    async def device_of(self, digest: str) -> Any:
        """Sign-in, user and end of a token that was not used, or None."""
        child = refresh_tokens.alias("child")
        row = refresh_tokens.c
        found = (
            select(row.device_id, row.expires_at, row.created_at, devices.c.user_id)
            .join_from(refresh_tokens, devices, devices.c.id == row.device_id)
            .outerjoin(child, child.c.parent == row.digest)
            .where(
                row.digest == digest, row.expires_at > self._now, child.c.digest.is_(None),
                devices.c.ended_at.is_(None), devices.c.expires_at > self._now,
            )
        )  # fmt: skip
        return (await self._work.execute(found)).one_or_none()


def who_asks(ctx: Context) -> str:
    """What tells the device of a call from others: its address and what it says it is."""
    return sha256(f"{ctx.connection.identifier}\n{ctx.connection.agent}".encode("utf-8", "surrogatepass")).hexdigest()


@scoped
def families_of_call(ctx: Context, work: Work, settings: IdentitySettings) -> Families:
    """The refresh tokens, within the call's transaction: who shows one has not said to which tenant it belongs."""
    return Families(
        work.unscoped("who shows a refresh token has not said to which tenant it belongs"), settings, ctx.now
    )
