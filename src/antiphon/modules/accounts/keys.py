"""API keys as they are kept: shown once, stored as SHA-256, and found by their public id."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Row, func, insert, or_, select, update

from antiphon import ApiKeySource, Clock, Context, Database, FoundKey, Struct, Work, scoped, service
from antiphon.modules.accounts.tables_identity import api_keys
from antiphon.modules.accounts.users import Users

SID_OF_KEY = "key."
"""What stands before a key's id where sign-ins have their sid: what was opened with a key ends by this name."""

_SEEN_EVERY = timedelta(minutes=1)


class ApiKey(Struct):
    """An API key, as its owner sees it. The key itself was shown once, when it was made."""

    id: str
    name: str
    permissions: list[str]
    networks: list[str]
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None


class KeptKey(Struct):
    """An API key, as the accounts themselves see it."""

    id: str
    user_id: str
    tenant_id: str
    name: str
    digest: str
    permissions: tuple[str, ...]
    networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    seen_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def sid(self) -> str:
        """What it is called where sign-ins have their sid."""
        return SID_OF_KEY + self.id

    def lives(self, now: datetime) -> bool:
        """Whether it can still be used."""
        return self.revoked_at is None and now < self.expires_at

    @property
    def shown(self) -> ApiKey:
        """What its owner sees."""
        return ApiKey(
            self.id, self.name, [*self.permissions], [*self.networks], self.created_at, self.expires_at, self.seen_at
        )


class Keys:
    """The API keys within one call's transaction."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work = work
        self._now = now

    async def add(self, key: KeptKey) -> None:
        """Keep a new key."""
        values = {name: getattr(key, name) for name in key.__struct_fields__}
        values |= {name: msgspec.json.encode(values[name]).decode() for name in ("permissions", "networks")}
        await self._work.execute(insert(api_keys).values(**values))

    async def find(self, key_id: str) -> KeptKey | None:
        """The key of this id, in force or not, or None."""
        return _key((await self._work.execute(select(api_keys).where(api_keys.c.id == key_id))).one_or_none())

    async def live(self, user_id: str) -> list[KeptKey]:
        """The keys of a user that can be used, the newest first."""
        found = select(api_keys).where(api_keys.c.user_id == user_id, *self._in_force())
        rows = (await self._work.execute(found.order_by(api_keys.c.created_at.desc(), api_keys.c.id))).all()
        return [key for row in rows if (key := _key(row)) is not None]

    async def count(self, user_id: str, tenant_id: str) -> tuple[int, int]:
        """How many keys in force a user has, and the user's tenant."""
        of_user = select(func.count()).select_from(api_keys).where(api_keys.c.user_id == user_id, *self._in_force())
        of_tenant = (
            select(func.count()).select_from(api_keys).where(api_keys.c.tenant_id == tenant_id, *self._in_force())
        )
        return await self._work.scalar(of_user) or 0, await self._work.scalar(of_tenant) or 0

    async def revoke(self, key_ids: Sequence[str]) -> None:
        """These hold no longer."""
        ending = update(api_keys).where(api_keys.c.id.in_(key_ids), api_keys.c.revoked_at.is_(None))
        await self._work.execute(ending.values(revoked_at=self._now))

    async def saw(self, key_id: str, at: datetime) -> None:
        """It was used then, noted once a minute at most."""
        old = or_(api_keys.c.seen_at.is_(None), api_keys.c.seen_at <= at - _SEEN_EVERY)
        await self._work.execute(update(api_keys).where(api_keys.c.id == key_id, old).values(seen_at=at))

    def _in_force(self) -> tuple[Any, Any]:
        return api_keys.c.revoked_at.is_(None), api_keys.c.expires_at > self._now


class AccountKeys(ApiKeySource):
    """Finds the holder of a key, outside of any call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find_key(self, key_id: str, digest: str) -> FoundKey | None:
        """The key of this id and SHA-256, with the roles its user has now; None when it holds no longer."""
        now = self._clock.now()
        async with self._database.transaction() as opened:
            work = opened.unscoped("who shows a key has not said to which tenant it belongs")
            key = await Keys(work, now).find(key_id)
            if key is None or not compare_digest(key.digest, digest) or not key.lives(now):
                return None
            users = Users(work, now)
            account = await users.find(key.user_id)
            if account is None or not account.may_call:
                return None
            caller = await users.caller(account)
        holder = replace(
            caller,
            tenant_id=key.tenant_id,
            sid=key.sid,
            via="key",
            permissions=frozenset(key.permissions),
            proved_at=None,
        )
        return FoundKey(holder, key.expires_at, key.networks)


@service
async def key_source(database: Database, clock: Clock) -> AsyncIterator[AccountKeys]:
    """Who holds which API key."""
    yield AccountKeys(database, clock)


@scoped
def keys_of_call(ctx: Context, work: Work) -> Keys:
    """The API keys, within the call's transaction."""
    return Keys(work, ctx.now)


def _key(row: Row[*tuple[Any, ...]] | None) -> KeptKey | None:
    if row is None:
        return None
    values = dict(row._mapping)  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping
    values |= {name: msgspec.json.decode(values[name], type=tuple[str, ...]) for name in ("permissions", "networks")}
    return KeptKey(**values)
