"""Signing keys: each with its one algorithm, signing what the application issues and verifying what it is shown."""

#     state     from                              signs    verifies and is published
#     next      it was made                       no       yes
#     current   a rotation, 10 min or more later  yes      yes
#     retired   the next rotation                 no       until the last token it signed has expired
#
# The first key of all is current at once: nobody can hold a token that an older set would have to know.

from __future__ import annotations

from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Literal, Protocol, cast, runtime_checkable

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey

from antiphon.core.secrets import Secret
from antiphon.services.identity.claims import LEEWAY
from antiphon.services.identity.form import TYPE, BadToken, Unpacked
from antiphon.services.identity.settings import LONGEST_ACCESS

type Algorithm = Literal["Ed25519", "ES256"]

PUBLISHED_BEFORE = timedelta(minutes=10)
"""How long a key is published before it signs, so that whoever kept the set for a while has it by then."""

READ_EVERY = timedelta(seconds=60)
"""How often a node reads the set."""

KEPT_AFTER = LONGEST_ACCESS + LEEWAY + 2 * READ_EVERY
"""How long a retired key is kept: a node may sign with it until it has read the set again."""

_PUBLIC = {"OKP": ("kty", "crv", "x"), "EC": ("kty", "crv", "x", "y")}


class SigningKey(msgspec.Struct, frozen=True):
    """A key as it is kept: `public` is a JWK of public members, `private` the whole JWK as JSON, a secret."""

    kid: str
    algorithm: Algorithm
    public: dict[str, str]
    private: Secret[str] | None
    made_at: datetime
    current_at: datetime | None = None
    retired_at: datetime | None = None

    @classmethod
    def make(cls, algorithm: Algorithm, now: datetime) -> SigningKey:
        """A new key, which signs nothing yet."""
        key = OKPKey.generate_key("Ed25519") if algorithm == "Ed25519" else ECKey.generate_key("P-256")
        whole = cast("dict[str, str]", key.as_dict(private=True))
        private = {name: whole[name] for name in (*_PUBLIC[whole["kty"]], "d")}
        public = {name: value for name, value in private.items() if name != "d"}
        return cls(token_urlsafe(12), algorithm, public, Secret(msgspec.json.encode(private).decode()), now)

    @property
    def state(self) -> Literal["next", "current", "retired"]:
        """Where it stands."""
        if self.retired_at is not None:
            return "retired"
        return "next" if self.current_at is None else "current"

    def verifies(self, now: datetime) -> bool:
        """Whether a token may still have been signed with it."""
        return self.retired_at is None or now < self.retired_at + KEPT_AFTER

    def shown(self) -> dict[str, str]:
        """The public JWK (RFC 7517), for everybody."""
        return {**self.public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}


@runtime_checkable
class SigningKeySource(Protocol):
    """Where signing keys are kept: what the accounts of an application fulfil."""

    async def read_keys(self) -> list[SigningKey]:
        """Every key; the first one is made when there is none. Raises Unavailable."""
        ...


class Signer:
    """A key at work. It is made once for each key of a set, because reading a JWK costs as much as verifying."""

    __slots__ = ("_key", "key")

    def __init__(self, key: SigningKey) -> None:
        self.key = key
        self._key = _read(key)

    @property
    def signs(self) -> bool:
        """Whether tokens are signed with it."""
        return self.key.state == "current" and self.key.private is not None

    def sign(self, claims: dict[str, Any]) -> str:
        """A token with these claims."""
        header = {"alg": self.key.algorithm, "kid": self.key.kid, "typ": TYPE}
        return jws.serialize_compact(header, msgspec.json.encode(claims), self._key, algorithms=[self.key.algorithm])

    def verify(self, token: Unpacked) -> bytes:
        """The claims of a token that was signed with this key. Raises BadToken.

        The algorithm is the key's own: a token that names another one is not even tried.
        """
        if token.alg != self.key.algorithm:
            raise BadToken("alg")
        try:
            jws.deserialize_compact(token.text, self._key, algorithms=[self.key.algorithm])
        except (JoseError, ValueError):
            raise BadToken("signature") from None
        return token.claims


def _read(key: SigningKey) -> OKPKey | ECKey:
    # The private part only where it is needed to sign; every other key can do no more than verify.
    given: dict[str, Any] = dict(key.public)
    if key.private is not None and key.state == "current":
        given = msgspec.json.decode(key.private.reveal(), type=dict[str, Any])
    return OKPKey.import_key(given) if key.algorithm == "Ed25519" else ECKey.import_key(given)
