"""Opens what identity stands on: the signing keys, what has ended, and who says who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.clock import Clock
from antiphon.core.log import Logger
from antiphon.core.revocation import Revocations
from antiphon.core.service import service
from antiphon.core.session import SessionSource
from antiphon.services.identity.ended import TokenEnds
from antiphon.services.identity.foreign import ForeignIssuers
from antiphon.services.identity.identifier import CallerIdentifier, Sightings
from antiphon.services.identity.keyring import Keyring
from antiphon.services.identity.settings import IdentitySettings
from antiphon.services.identity.signing import SigningKeySource
from antiphon.services.identity.tokens import Tokens
from antiphon.stores.base import Store


@service
async def token_ends(store: Store, revocations: Revocations, clock: Clock) -> AsyncIterator[TokenEnds]:
    """What has ended; the store need not be there at the start."""
    opened = TokenEnds(store, clock)
    opened.listen(revocations)
    try:
        yield opened
    finally:
        opened.close()


@service
async def keyring(source: SigningKeySource, clock: Clock, log: Logger) -> AsyncIterator[Keyring]:
    """The signing keys, read at first use."""
    opened = Keyring(source, clock, log)
    try:
        yield opened
    finally:
        await opened.close()


@service
async def foreign_issuers(settings: IdentitySettings, clock: Clock, log: Logger) -> AsyncIterator[ForeignIssuers]:
    """The issuers beside our own, their keys fetched at first use."""
    opened = ForeignIssuers(settings, clock, log)
    try:
        yield opened
    finally:
        await opened.close()


@service
async def identifier(
    sessions: SessionSource, tokens: Tokens | None, sightings: Sightings | None
) -> AsyncIterator[CallerIdentifier]:
    """Identifies callers: by sessions, which `ctx.session()` reads for it, and by tokens where a module gives them."""
    yield CallerIdentifier(tokens, sightings)
