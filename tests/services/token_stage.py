"""Tokens as the tests of identity use them: signing keys in memory, a store, a clock, and tokens made by hand."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from antiphon.core.caller import Caller
from antiphon.core.clock import RandomIds
from antiphon.core.connection import Connection
from antiphon.core.errors import Unavailable
from antiphon.core.log import Silent
from antiphon.services.identity import (
    ApiKeySource,
    FoundKey,
    IdentitySettings,
    Keyring,
    Rotation,
    SigningKey,
    SigningKeySource,
    TokenEnds,
    Tokens,
)
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock

ADA = Caller("user", "ada", "choir", frozenset({"editor"}), sid="sid-of-ada", via="token", roles_version=3)
ISSUER = "https://choir.example"
AUDIENCE = "https://api.choir.example"


class KeptKeys(SigningKeySource, ApiKeySource):
    """Signing keys and API keys in memory, as a database would keep them."""

    def __init__(self, clock: StandingClock, algorithm: Literal["Ed25519", "ES256"]) -> None:
        self._clock = clock
        self.algorithm: Literal["Ed25519", "ES256"] = algorithm
        self.keys: list[SigningKey] = []
        self.api_keys: dict[str, tuple[str, FoundKey]] = {}
        self.reads = 0
        self.away = False
        self.rotate()

    def rotate(self) -> None:
        """One step of the rotation."""
        step = Rotation.step(self.keys, self.algorithm, self._clock.now())
        changed = {key.kid: key for key in step.changed}
        self.keys = [changed.get(key.kid, key) for key in self.keys if key.kid not in step.over] + step.added

    async def read_keys(self) -> list[SigningKey]:
        self.reads += 1
        if self.away:
            raise Unavailable("The database is away.")
        return list(self.keys)

    async def find_key(self, key_id: str, digest: str) -> FoundKey | None:
        self.reads += 1
        kept = self.api_keys.get(key_id)
        return kept[1] if kept is not None and kept[0] == digest else None

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return next(key for key in self.keys if key.state == "current")


class TokenStage:
    """One node: its tokens, and what it has heard."""

    def __init__(self, tokens: Tokens, kept: KeptKeys, keyring: Keyring, ends: TokenEnds, clock: StandingClock) -> None:
        self.tokens = tokens
        self.kept = kept
        self.keyring = keyring
        self.ends = ends
        self.clock = clock

    async def token(self, caller: Caller = ADA) -> str:
        """A token that is good."""
        return (await self.tokens.issue(caller)).text.reveal()

    async def who(self, text: str, connection: Connection | None = None) -> str:
        """Whom a credential stands for, or an empty text."""
        found = await self.tokens.recognise(text, connection or Connection("direct"))
        return found.verified.caller.id if found is not None else ""

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, with changes; `...` leaves one out."""
        now = int(self.clock.now().timestamp())
        good: dict[str, Any] = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600, "jti": "one",
            "sid": "sid-of-ada", "tenant_id": "choir", "roles_version": 3,
        }  # fmt: skip
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    def header(self, **changes: Any) -> dict[str, Any]:
        """The header of a good token, with changes; `...` leaves one out."""
        current = self.kept.current
        good = {"alg": current.algorithm, "kid": current.kid, "typ": "at+jwt"}
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    def forge(self, header: str | None = None, claims: str | None = None) -> str:
        """A token whose texts are these, signed as they are by the key that signs."""
        first = part((header or json.dumps(self.header())).encode())
        second = part((claims or json.dumps(self.claims())).encode())
        return f"{first}.{second}.{part(self.sign(f'{first}.{second}'.encode()))}"

    def sign(self, data: bytes) -> bytes:
        """The signature of the key that signs."""
        key = self.kept.current
        assert key.private is not None
        given = json.loads(key.private.reveal())
        read = OKPKey.import_key(given) if key.algorithm == "Ed25519" else ECKey.import_key(given)
        return jws.JWSRegistry.algorithms[key.algorithm].sign(data, read)


def part(data: bytes) -> str:
    """A part of a token: base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@asynccontextmanager
async def token_stage(
    store: Store,
    *,
    algorithm: Literal["Ed25519", "ES256"] = "Ed25519",
    kept: Callable[[StandingClock], KeptKeys] | None = None,
    clock: StandingClock | None = None,
    **settings: Any,
) -> AsyncGenerator[TokenStage]:
    """A node on this store."""
    clock = clock or StandingClock()
    keys = kept(clock) if kept is not None else KeptKeys(clock, algorithm)
    keyring, ends = Keyring(keys, clock, Silent()), TokenEnds(store, clock)
    asked = IdentitySettings(issuer=ISSUER, audience=(AUDIENCE, "https://other.example"), **settings)
    tokens = Tokens(asked, "choir", keyring=keyring, keys=keys, ends=ends, clock=clock, ids=RandomIds())
    try:
        yield TokenStage(tokens, keys, keyring, ends, clock)
    finally:
        await keyring.close()


SECOND = timedelta(seconds=1)
