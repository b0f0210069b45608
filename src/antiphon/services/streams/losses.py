"""Tells that the store has come back empty: once, whichever of all processes find it out, and in whichever way."""

# Two things show it: a worker has to make a group anew that it had made before, and the outbox finds a new mark. Both
# happen in several processes within moments. The first to write a key into the emptied store is the one that tells;
# when the store is emptied again the key is gone with everything else.

from __future__ import annotations

from datetime import timedelta

from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.services.streams.keys import Keys
from antiphon.stores.base import Store

_LIFE = timedelta(hours=1)
"""Long after everybody has found out."""

_HINT = (
    "The store came back without its data, or is another one: jobs and events that were in it are lost. What is in "
    "the outbox is sent again."
)


async def tell_emptied(store: Store, log: Logger) -> bool:
    """Log that the store is empty, unless another process has; whether it was this one. A store away is no reason."""
    try:
        first = bool(await store.client.set(Keys(store).loss(), 1, nx=True, ex=_LIFE))
    except Unavailable:
        # Better twice than never.
        first = True
    if first:
        log.error("streams.store_emptied", hint=_HINT)
    return first
