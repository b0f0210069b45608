"""Access tokens and API keys at work: made, recognised, remembered, and asked about at every call."""

#     shown                      found in              then, at every call
#     atk_…                      the source of keys    its networks, its end, whether it was revoked (ended.py)
#     of a foreign issuer        that issuer's keys    its end, whether it signed out (foreign.py)
#     anything else              the signing keys      its end, whether its sign-in ended or its roles changed
#
# What was verified is remembered by the SHA-256 of its text until it ends, so that the signature or the database is
# asked once. A key whose user has other roles by now is read again; a token has to be refreshed.

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from antiphon.core.caller import Caller
from antiphon.core.clock import Clock, Ids
from antiphon.core.connection import Connection
from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.secrets import Secret
from antiphon.services.identity.api_keys import key_id_of, looks_like_key, secret_digest
from antiphon.services.identity.claims import LEEWAY, Expected, Verified, check_claims, claims_for
from antiphon.services.identity.ended import TokenEnds
from antiphon.services.identity.foreign import ForeignIssuers
from antiphon.services.identity.form import BadToken, read_object, unpack
from antiphon.services.identity.keyring import Keyring
from antiphon.services.identity.settings import IdentitySettings

NO_LEEWAY = timedelta(0)


class AccessToken(NamedTuple):
    """A new access token, and when it ends."""

    text: Secret[str]
    expires_at: datetime


class FoundKey(msgspec.Struct, frozen=True):
    """An API key that is in force: whom it stands for, until when, and from which networks."""

    caller: Caller
    ends_at: datetime
    networks: tuple[str, ...] = ()


@runtime_checkable
class ApiKeySource(Protocol):
    """Where API keys are kept: what the accounts of an application fulfil."""

    async def find_key(self, key_id: str, digest: str) -> FoundKey | None:
        """The key of this id and SHA-256, with the roles its user has now; None when it holds no longer.

        Raises Unavailable.
        """
        ...


class Recognised(NamedTuple):
    """A credential that holds; not `confirmed` when the store was away and only the word of other nodes counts."""

    verified: Verified
    confirmed: bool


class _Known(NamedTuple):
    verified: Verified
    networks: tuple[str, ...] = ()


class Tokens:
    """The credentials of `Authorization: Bearer`. Nothing here shows one in an error or a log line."""

    def __init__(
        self,
        settings: IdentitySettings,
        name: str,
        *,
        keyring: Keyring | None,
        keys: ApiKeySource | None,
        ends: TokenEnds,
        clock: Clock,
        ids: Ids,
        foreign: ForeignIssuers | None = None,
    ) -> None:
        issuer = settings.issuer or name
        if foreign is not None and issuer in foreign:
            raise SetupError("identity.issuers holds our own issuer. Give identity.issuer a name of its own.")
        self._foreign = foreign
        self._audience = settings.audience or (issuer,)
        self.expected = Expected(issuer, frozenset(self._audience))
        self._life = settings.access_time
        self._most = settings.remembered
        self._keyring = keyring
        self._keys = keys
        self._ends = ends
        self._clock = clock
        self._ids = ids
        self._known: dict[bytes, _Known] = {}

    async def issue(self, caller: Caller) -> AccessToken:
        """A token for this caller, whose `sid` names its sign-in. Raises Unavailable."""
        if caller.kind != "user" or not caller.sid:
            raise ValueError("A token belongs to a sign-in: give issue() a Caller of the kind 'user' with its sid.")
        if self._keyring is None:
            raise Unavailable("This server gives no access tokens.")
        signer = await self._keyring.signer()
        now = self._clock.now()
        claims = claims_for(caller, self.expected, self._audience[0], self._ids.uuid7(), now, self._life)
        return AccessToken(Secret(signer.sign(claims)), now.replace(microsecond=0) + self._life)

    async def recognise(self, text: str, connection: Connection | None = None) -> Recognised | None:
        """Whom a credential stands for, or None. Raises Unavailable when that cannot be known.

        When the server asks by itself, as for a socket that is open, there is no leeway. Without a connection the
        networks of a key are not asked.
        """
        name = sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        look = await self._ends.look(known.verified) if known is not None else "ended"
        if known is None or look == "ended":
            self._known.pop(name, None)
            known = await self._read(text)
            look = await self._ends.look(known.verified) if known is not None else "ended"
            if known is None or look == "ended":
                return None
            self._remember(name, known)
        if connection is not None and known.networks and not _within(connection.identifier, known.networks):
            return None
        if self._clock.now() >= known.verified.ends_at + _leeway(known.verified, connection):
            return None
        return Recognised(known.verified, confirmed=look == "holds")

    async def _read(self, text: str) -> _Known | None:
        if looks_like_key(text):
            return await self._read_key(text)
        try:
            return _Known(await self.verify(text))
        except BadToken:
            return None

    async def verify(self, text: str) -> Verified:
        """What an access token says, if it is one of ours or of an issuer we know. Raises BadToken or Unavailable.

        Whether it has ended, and whether its sign-in has, is asked apart.
        """
        token = unpack(text)
        verified = await self._foreign.verify(token) if self._foreign is not None else None
        if verified is None:
            if self._keyring is None:
                raise BadToken("kid")
            signer = await self._keyring.verifier(token.kid)
            verified = check_claims(read_object(signer.verify(token)), self.expected, self._clock.now())
        if self._clock.now() >= verified.ends_at + LEEWAY:
            raise BadToken("exp")
        return verified

    async def _read_key(self, text: str) -> _Known | None:
        key_id = key_id_of(text)
        if key_id is None or self._keys is None:
            return None
        found = await self._keys.find_key(key_id, secret_digest(text))
        if found is None:
            return None
        issued = int(self._clock.now().timestamp())
        return _Known(Verified(found.caller, found.ends_at, issued, key_id), found.networks)

    def _remember(self, name: bytes, known: _Known) -> None:
        if self._most == 0:
            return
        while len(self._known) >= self._most:
            # The oldest is the next to end: all tokens live equally long, and a key is soon read again.
            del self._known[next(iter(self._known))]
        self._known[name] = known

    @property
    def remembered(self) -> int:
        """How many are remembered now."""
        return len(self._known)


def _leeway(verified: Verified, connection: Connection | None) -> timedelta:
    asked = connection is not None and not connection.by_itself
    return LEEWAY if asked and verified.caller.via == "token" else NO_LEEWAY


def _within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in networks)
