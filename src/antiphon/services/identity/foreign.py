"""Tokens of foreign issuers: their key sets, kept and fetched again, and whom their claims stand for here."""

# An issuer is found by the `iss` of a token that nothing has verified yet: only among those that are configured, and
# only to know whose keys must verify it and what it must say. Addresses come from the settings alone; what a token says
# is never part of one. Form, times and life are those of our own tokens (form.py, claims.py).
#
#     asked for                the set is                what happens
#     any kid                  not there, or 24 h old    fetched, and whoever asks waits; Unavailable when that fails,
#                                                        and for the 5 s after it
#     a kid that is known      10 min old                verified with what is there; fetched beside, once in 30 s
#     a kid that is not        there                     fetched, and whoever asks waits: once in 30 s for all such kids
#
# A fetch that fails, or gives what is no key set, leaves the set as it was.
#
#     claim            becomes
#     iss, sub         the user's id: a UUID of version 8 made of both, so that no two issuers share a user, no user of
#                      ours is meant, and no letter of a stranger's gets into keys, topics and paths
#     iss, jti         the sign-in: each token is one, and signing out ends that token
#     tenant, roles    what the settings make of them (issuer.py); without settings none
#     auth_time        nothing: `fresh(…)` asks for a password that was shown here
#
# Nobody here knows what such a user may do later, so a job of theirs is refused when it runs: no Directory finds them.

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from math import inf
from typing import Any
from uuid import UUID

import msgspec

from antiphon.core.caller import Caller
from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.services.identity.claims import Expected, Verified, check_meant, text_in, texts
from antiphon.services.identity.fetching import FetchFailed, fetch
from antiphon.services.identity.foreign_keys import ForeignKey, read_key_set
from antiphon.services.identity.form import BadToken, Unpacked, read_object
from antiphon.services.identity.issuer import ForeignIssuer
from antiphon.services.identity.settings import IdentitySettings

FRESH = timedelta(minutes=10)
AGAIN = timedelta(seconds=30)
"""How long after a fetch the next one waits, be it for a set that has become old or for a kid that is unknown."""

REFUSED = timedelta(seconds=5)
KEPT = timedelta(hours=24)


def foreign_user_id(issuer: str, subject: str) -> str:
    """The id here of a user of a foreign issuer, such as for rows that are made before they first call."""
    number = int.from_bytes(_digest(issuer, subject)[:16])
    return str(UUID(int=number & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62))


class ForeignKeys:
    """The key set of one issuer, as this process knows it."""

    def __init__(self, name: str, issuer: ForeignIssuer, clock: Clock, log: Logger) -> None:
        self._name = name
        self._issuer = issuer
        self._clock = clock
        self._log = log
        self._keys: dict[str, ForeignKey] = {}
        self._good_at = self._tried_at = self._forced_at = -inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> ForeignKey:
        """The key of this name. Raises BadToken when there is none, Unavailable when no set can be had."""
        now = self._clock.monotonic()
        if now - self._good_at >= KEPT.total_seconds():
            await self._must()
        elif kid not in self._keys:
            if self._fetching is not None or now - self._forced_at >= AGAIN.total_seconds():
                self._forced_at = now
                await self._fetch()
        elif now - self._good_at >= FRESH.total_seconds() and now - self._tried_at >= AGAIN.total_seconds():
            self._begin()
        key = self._keys.get(kid)
        if key is None:
            raise BadToken("kid")
        return key

    async def _must(self) -> None:
        away = Unavailable("The keys of the token's issuer cannot be had.", retry_after=REFUSED.total_seconds())
        if self._fetching is None and self._clock.monotonic() - self._tried_at < REFUSED.total_seconds():
            raise away
        self._keys = {}
        await self._fetch()
        if self._clock.monotonic() - self._good_at >= KEPT.total_seconds():
            raise away

    async def _fetch(self) -> None:
        # Shielded: others wait for the same fetch when the call that began it is cancelled.
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._tried_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._read())
        return self._fetching

    async def _read(self) -> None:
        try:
            self._keys = read_key_set(await fetch(self._issuer.jwks_url), self._issuer)
            self._good_at = self._clock.monotonic()
        except (FetchFailed, BadToken) as problem:
            self._log.warning("identity.issuer_keys_not_read", issuer=self._name, reason=str(problem))
        finally:
            self._fetching = None

    async def close(self) -> None:
        """Fetch no longer."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)


class ForeignIssuers:
    """The issuers beside our own whose tokens are taken."""

    def __init__(self, settings: IdentitySettings, clock: Clock, log: Logger) -> None:
        self._clock = clock
        self._known = {
            issuer.issuer: (issuer, ForeignKeys(name, issuer, clock, log)) for name, issuer in settings.issuers.items()
        }

    def __contains__(self, issuer: str) -> bool:
        return issuer in self._known

    async def verify(self, token: Unpacked) -> Verified | None:
        """What a token of one of them says; None for a token of nobody among them. Raises BadToken or Unavailable."""
        if not self._known:
            return None
        claims = read_object(token.claims)
        said = claims.get("iss")
        found = self._known.get(said) if isinstance(said, str) else None
        if found is None:
            return None
        issuer, keys = found
        (await keys.find(token.kid)).verify(token)
        return _verified(claims, issuer, self._clock.now())

    async def close(self) -> None:
        """Fetch no longer."""
        for _, keys in self._known.values():
            await keys.close()


def _verified(claims: dict[str, Any], issuer: ForeignIssuer, now: datetime) -> Verified:
    issued, ends = check_meant(claims, Expected(issuer.issuer, frozenset(issuer.audience)), now)
    subject, token_id = text_in(claims, "sub", least=1, most=256), text_in(claims, "jti", least=1, most=128)
    named = urlsafe_b64encode(_digest(issuer.issuer, token_id)).decode()[:22]
    caller = Caller(
        "user",
        foreign_user_id(issuer.issuer, subject),
        _tenant(claims, issuer),
        frozenset(issuer.roles[each] for each in _roles(claims, issuer) if each in issuer.roles),
        sid=f"iss.{named}",
        via="token",
    )
    return Verified(caller, datetime.fromtimestamp(ends, UTC), issued, token_id, issuer.issuer)


def _tenant(claims: dict[str, Any], issuer: ForeignIssuer) -> str:
    if not issuer.tenant_claim:
        return issuer.tenant_id
    tenant_id = issuer.tenants.get(text_in(claims, issuer.tenant_claim, least=1, most=256))
    if tenant_id is None:
        raise BadToken("tenant")
    return tenant_id


def _roles(claims: dict[str, Any], issuer: ForeignIssuer) -> frozenset[str]:
    # Without a mapping nothing of the claim counts, so it may be whatever the issuer likes.
    return texts(claims.get(issuer.roles_claim, []), "roles") if issuer.roles else frozenset()


def _digest(issuer: str, name: str) -> bytes:
    # As JSON, so that no other two texts come out as the same bytes.
    return sha256(msgspec.json.encode([issuer, name])).digest()
