"""A streaming action as Server-Sent Events or as JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import msgspec

from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TransportFault
from antiphon.core.inputs.types import encode_kind
from antiphon.transports.base import encode_error

EVENTS = "text/event-stream"
LINES = ("application/jsonl", "application/x-ndjson")
FORMS = (EVENTS, *LINES)

RETRY = b"retry: 2000\n\n"
"""Tells a client to come back in two seconds: sent when the server drains."""

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


async def as_events(
    items: AsyncIterator[Any], ctx: Context, comment_seconds: float, draining: asyncio.Event
) -> AsyncIterator[bytes]:
    """The stream as events: one an item, `done` at the end, `error` when it fails, a comment when nothing happens.

    The next item is awaited in a task of its own, so that a comment can go out meanwhile and a drain can end the
    stream, without cancelling the action in the middle of an item.
    """
    number = 0
    pending: asyncio.Task[Any] | None = None
    drain = asyncio.ensure_future(draining.wait())
    try:
        while True:
            pending = pending or asyncio.ensure_future(_next(items))
            await asyncio.wait((pending, drain), timeout=comment_seconds, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                item, pending = pending.result(), None
                if item is _END:
                    yield b"event: done\ndata: {}\n\n"
                    return
                number += 1
                yield b"event: %b\nid: %d\ndata: %b\n\n" % (type(item).__name__.encode(), number, _encode(item))
            elif drain.done():
                yield RETRY
                return
            else:
                yield b":\n\n"
    except (CallError, Defect, TransportFault) as error:
        yield b"event: error\ndata: %b\n\n" % encode_error(error, ctx.request_id, _now(ctx))
    finally:
        drain.cancel()
        await _abandon(pending, items)


async def as_lines(items: AsyncIterator[Any], ctx: Context, draining: asyncio.Event) -> AsyncIterator[bytes]:
    """The stream as JSON lines; a failure is a last line with the error object."""
    try:
        async for item in items:
            yield _encode(item) + b"\n"
            if draining.is_set():
                return
    except (CallError, Defect, TransportFault) as error:
        yield encode_error(error, ctx.request_id, _now(ctx)) + b"\n"
    finally:
        await _abandon(None, items)


_END = object()


async def _next(items: AsyncIterator[Any]) -> Any:
    # A task cannot end with StopAsyncIteration.
    return await anext(items, _END)


async def _abandon(pending: asyncio.Task[Any] | None, items: AsyncIterator[Any]) -> None:
    if pending is not None:
        pending.cancel()
        await asyncio.wait((pending,))
        if not pending.cancelled():
            pending.exception()
    closing = getattr(items, "aclose", None)
    if closing is not None:
        await closing()


def _now(ctx: Context) -> datetime:
    return ctx.now
