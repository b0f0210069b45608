"""Device sessions: one row for each sign-in, by its `sid`, which its cookie, tokens and sockets share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Literal

from sqlalchemy import Row, delete, insert, or_, select, update

from antiphon import Context, Sessions, Struct, TokenEnds, Work, scoped
from antiphon.modules.accounts.tables_identity import devices, refresh_tokens

MOST = 20
"""The live sign-ins of a user; one more ends the oldest."""

SEEN_EVERY = timedelta(minutes=1)
KEPT_AFTER = timedelta(days=30)

type Kind = Literal["session", "tokens"]


class Device(Struct):
    """A sign-in, as the accounts themselves see it."""

    id: str
    user_id: str
    tenant_id: str
    kind: Kind
    address: str
    agent: str
    idle_seconds: int
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    @property
    def ends_at(self) -> datetime:
        """When it ends if it is not used again."""
        return min(self.expires_at, self.seen_at + timedelta(seconds=self.idle_seconds))

    def lives(self, now: datetime) -> bool:
        """Whether it can still be used."""
        return self.ended_at is None and now < self.ends_at


def new_sid() -> str:
    """A name for a sign-in: 128 random bits that follow from nothing. No secret."""
    return token_urlsafe(16)


class Devices:
    """The sign-ins within one call's transaction."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work = work
        self._now = now

    async def add(self, device: Device) -> None:
        """Keep a new sign-in."""
        await self._work.execute(
            insert(devices).values(**{name: getattr(device, name) for name in device.__struct_fields__})
        )

    async def find(self, sid: str) -> Device | None:
        """The sign-in of this name, ended or not, or None."""
        return _device((await self._work.execute(select(devices).where(devices.c.id == sid))).one_or_none())

    async def live(self, user_id: str) -> list[Device]:
        """The sign-ins of a user that can still be used, the newest first."""
        found = select(devices).where(
            devices.c.user_id == user_id, devices.c.ended_at.is_(None), devices.c.expires_at > self._now
        )
        rows = (await self._work.execute(found.order_by(devices.c.created_at.desc(), devices.c.id))).all()
        return [device for row in rows if (device := _device(row)) is not None and device.lives(self._now)]

    async def end(self, sids: Sequence[str]) -> None:
        """These have ended."""
        ending = update(devices).where(devices.c.id.in_(sids), devices.c.ended_at.is_(None))
        await self._work.execute(ending.values(ended_at=self._now))

    async def saw(self, sid: str, at: datetime) -> None:
        """It was used then, noted once a minute at most."""
        seen = update(devices).where(devices.c.id == sid, devices.c.seen_at <= at - SEEN_EVERY)
        await self._work.execute(seen.values(seen_at=at))

    async def purge(self) -> int:
        """Remove what ended 30 days ago, and what nobody can refresh with any more. Gives how many sign-ins."""
        before = self._now - KEPT_AFTER
        over = or_(devices.c.ended_at <= before, devices.c.expires_at <= before)
        await self._work.execute(
            delete(refresh_tokens).where(
                refresh_tokens.c.device_id.in_(
                    select(devices.c.id).where(or_(devices.c.ended_at.is_not(None), devices.c.expires_at <= self._now))
                )
            )
        )
        return (await self._work.execute(delete(devices).where(over))).rowcount

    async def done(self) -> None:
        """End the transaction here."""
        await self._work.commit()


async def end_devices(ctx: Context, devices: Devices, user_id: str, sids: Sequence[str]) -> None:
    """End these sign-ins of a user: cookie, refresh family, every access token, sockets and streams, on every node.

    The store first: what fails after it is done again by asking once more, and until then nothing of them works.
    """
    if not sids:
        return
    await ctx.get(TokenEnds).mark(user_id, sids)
    await ctx.get(Sessions).end_named(ctx, user_id, sids)
    await devices.end(sids)


async def end_others(ctx: Context, user_id: str, but: str) -> None:
    """End every sign-in of a user but this one."""
    devices = ctx.get(Devices)
    await end_devices(ctx, devices, user_id, [each.id for each in await devices.live(user_id) if each.id != but])


async def make_room(ctx: Context, devices: Devices, user_id: str) -> None:
    """End the oldest sign-ins of a user, so that there may be one more."""
    live = await devices.live(user_id)
    await end_devices(ctx, devices, user_id, [each.id for each in live[MOST - 1 :]])


def devices_anywhere(ctx: Context, reason: str) -> Devices:
    """The sign-ins of every tenant, for who is not signed in yet. The reason is audited."""
    return Devices(ctx.get(Work).unscoped(reason), ctx.now)


@scoped
def devices_of_call(ctx: Context, work: Work) -> Devices:
    """The sign-ins, within the call's transaction."""
    return Devices(work, ctx.now)


def _device(row: Row[*tuple[Any, ...]] | None) -> Device | None:
    return None if row is None else Device(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping
