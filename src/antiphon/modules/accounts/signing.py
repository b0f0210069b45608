"""Signing keys as they are kept, their private parts sealed; the set that everybody may see, and its rotation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from antiphon import (
    ApiKeySource,
    AppInfo,
    Audit,
    BadSeal,
    Clock,
    Conflict,
    Context,
    Database,
    ForeignIssuers,
    IdentitySettings,
    Ids,
    Keyring,
    Logger,
    RootSecret,
    Rotation,
    SigningKey,
    SigningKeySource,
    Struct,
    TokenEnds,
    Tokens,
    Work,
    action,
    admin,
    allow,
    anyone,
    get,
    raises,
    service,
)
from antiphon.modules.accounts.tables_identity import signing_keys

_PURPOSE = "signing keys"


class KeySet(Struct):
    """A JSON Web Key Set (RFC 7517 §5): the public keys that access tokens are verified with."""

    keys: list[dict[str, str]]


class KeyState(Struct):
    """A signing key, without the key."""

    kid: str
    algorithm: str
    state: Literal["next", "current", "retired"]
    made_at: datetime


class SigningKeys:
    """The signing keys in the database. A private part that cannot be opened makes a key that only verifies."""

    def __init__(self, work: Work, root: RootSecret, log: Logger) -> None:
        self._work = work
        self._root = root
        self._log = log

    async def all(self, *, to_change: bool = False) -> list[SigningKey]:
        """Every key, the oldest first."""
        found = select(signing_keys).order_by(signing_keys.c.made_at, signing_keys.c.kid)
        rows = (await self._work.execute(found.with_for_update() if to_change else found)).all()
        return [self._key(row) for row in rows]

    async def take(self, step: Rotation) -> None:
        """Keep what a step of the rotation says."""
        if step.over:
            await self._work.execute(delete(signing_keys).where(signing_keys.c.kid.in_(step.over)))
        for key in step.changed:
            change = update(signing_keys).where(signing_keys.c.kid == key.kid)
            await self._work.execute(change.values(current_at=key.current_at, retired_at=key.retired_at))
        for key in step.added:
            await self._work.execute(insert(signing_keys).values(self._row(key)))

    def _row(self, key: SigningKey) -> dict[str, Any]:
        if key.private is None:
            raise ValueError("A signing key is kept with its private part.")
        return {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "public": msgspec.json.encode(key.public).decode(),
            "sealed": self._root.seal(key.private.reveal(), _PURPOSE),
            "made_at": key.made_at,
            "current_at": key.current_at,
            "retired_at": key.retired_at,
        }

    def _key(self, row: Row[*tuple[Any, ...]]) -> SigningKey:
        try:
            private = self._root.unseal(row.sealed, _PURPOSE)
        except BadSeal as error:
            self._log.error("accounts.signing_key_sealed", kid=row.kid, error=error)
            private = None
        public = msgspec.json.decode(row.public, type=dict[str, str])
        return SigningKey(row.kid, row.algorithm, public, private, row.made_at, row.current_at, row.retired_at)


class AccountSigningKeys(SigningKeySource):
    """Reads the set for those who sign and verify; the first key is made by whoever asks first."""

    def __init__(
        self, database: Database, root: RootSecret, settings: IdentitySettings, clock: Clock, log: Logger
    ) -> None:
        self._database = database
        self._root = root
        self._algorithm: Literal["Ed25519", "ES256"] = settings.algorithm
        self._clock = clock
        self._log = log

    async def read_keys(self) -> list[SigningKey]:
        """Every key; the first one is made when there is none."""
        async with self._database.transaction() as work:
            keys = await SigningKeys(work, self._root, self._log).all()
        if keys:
            return keys
        async with self._database.transaction(write=True) as work:
            kept = SigningKeys(work, self._root, self._log)
            if not await kept.all(to_change=True):
                await kept.take(Rotation.step([], self._algorithm, self._clock.now()))
            return await kept.all()


@service
async def signing_key_source(
    database: Database, root: RootSecret, settings: IdentitySettings, clock: Clock, log: Logger
) -> AsyncIterator[AccountSigningKeys]:
    """The signing keys of the application."""
    yield AccountSigningKeys(database, root, settings, clock, log)


@service
async def tokens(
    settings: IdentitySettings,
    info: AppInfo,
    keyring: Keyring,
    keys: ApiKeySource,
    ends: TokenEnds,
    clock: Clock,
    ids: Ids,
    foreign: ForeignIssuers,
) -> AsyncIterator[Tokens]:
    """Access tokens and API keys: with accounts, an application knows callers by them."""
    yield Tokens(settings, info.name, keyring=keyring, keys=keys, ends=ends, clock=clock, ids=ids, foreign=foreign)


@action("signing-keys:list", get("/.well-known/jwks.json", outside=True, fresh_for="5m"), allow(anyone))
async def list_signing_keys(ctx: Context) -> KeySet:
    """The keys that access tokens are verified with, as a JSON Web Key Set."""
    return KeySet(await ctx.get(Keyring).shown())


@action("signing-keys:rotate", allow(admin), raises(Conflict))
async def rotate_signing_keys(ctx: Context) -> list[KeyState]:
    """One step of the rotation: publish the next key or, ten minutes later, let it sign. Nobody is signed out."""
    work = ctx.get(Work)
    kept = SigningKeys(work, ctx.get(RootSecret), ctx.log)
    settings = ctx.get(IdentitySettings)
    step = Rotation.step(await kept.all(to_change=True), settings.algorithm, ctx.now)
    await kept.take(step)
    ctx.get(Audit).record(" ".join(key.kid for key in (*step.added, *step.changed)), outcome="rotated")
    keys = await kept.all()
    # Other nodes read the set within a minute; this one signs with what it has just kept.
    work.after_commit(ctx.get(Keyring).read)
    return [KeyState(key.kid, key.algorithm, key.state, key.made_at) for key in keys]
