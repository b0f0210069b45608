"""The channels of an application, opened with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.channel import MemberNames
from antiphon.core.clock import Clock, Ids
from antiphon.core.context import Context
from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.core.revocation import Revocations
from antiphon.core.service import scoped, service
from antiphon.services.channels.channels import Channels
from antiphon.services.channels.kept import kept_losses
from antiphon.services.channels.publishing import Outgoing
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.database.database import Database
from antiphon.services.database.schema import Schema
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay


@service
async def channels(
    store: Store,
    relay: Relay,
    revocations: Revocations,
    settings: ChannelSettings,
    clock: Clock,
    ids: Ids,
    log: Logger,
    names: MemberNames | None,
    database: Database | None,
    schema: Schema | None,
) -> AsyncIterator[Channels]:
    """Events, shown to whoever watches. The store must be there when somebody watches, not at the start.

    Losses outlive the process where the application has the tables of `channels_metadata`.
    """
    kept = kept_losses(database, schema, clock)
    opened = Channels(store, relay, settings, clock, ids, log, names=names, revocations=revocations, kept=kept)
    try:
        yield opened
    finally:
        try:
            await opened.close()
        except Unavailable:
            log.warning("channels.closed_without_store")


@scoped
def outgoing(ctx: Context, channels: Channels) -> Outgoing:
    """What the call has published so far. Calls within it share one, so that all of it goes out in its order."""
    if ctx.outermost is not ctx:
        return ctx.outermost.get(Outgoing)
    return Outgoing(ctx, channels.sender)
