"""A streaming action as Server-Sent Events or as JSON lines.

what happens            events                       lines
an item                 `event: Tick`, id, data      one line
nothing for a while     a comment                    –
the end                 `event: done`                the end of the body
a failure               `event: error`               a last line with the error object
the server drains       `retry:`                     a last line: UNAVAILABLE
its session has ended   `event: error`               a last line: NOT_SIGNED_IN

The action runs in one task from its first item to its last, so whatever it holds across items (a task group, a timeout)
works as anywhere else. It is at most one item ahead of what the client has taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TransportFault, Unavailable
from antiphon.core.inputs.types import encode_kind
from antiphon.core.runner import close_items
from antiphon.transports.base import Told, encode_error
from antiphon.transports.http.ends import Ending, StreamEnds
from antiphon.wire.multipart import MultipartForm

EVENTS = "text/event-stream"
LINES = ("application/jsonl", "application/x-ndjson")
FORMS = (EVENTS, *LINES)

COMMENT = b":\n\n"
DONE = b"event: done\ndata: {}\n\n"
RETRY = b"retry: 2000\n\n"
"""Tells a client to come back in two seconds: sent when the server drains."""

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode

# What stands where an item would.
_END, _SILENT, _DRAINING = object(), object(), object()


async def as_events(
    items: AsyncIterator[Any], ctx: Context, comment_seconds: float, ending: Ending
) -> AsyncIterator[bytes]:
    """The stream as events, with a comment whenever nothing came for `comment_seconds`."""
    number = 0
    feed = _Feed(items, ending)
    try:
        while True:
            item = await feed.take(comment_seconds)
            if item is _SILENT:
                yield COMMENT
            elif item is _END:
                yield DONE
                return
            elif item is _DRAINING:
                yield RETRY
                return
            else:
                number += 1
                yield b"event: %b\nid: %d\ndata: %b\n\n" % (type(item).__name__.encode(), number, _encode(item))
    except Exception as error:  # noqa: BLE001  # the head has left: this is the last place where it can be told
        yield b"event: error\ndata: %b\n\n" % encode_error(_told(error, ctx), ctx.request_id, ctx.now)
    finally:
        await feed.close()


async def as_lines(items: AsyncIterator[Any], ctx: Context, ending: Ending) -> AsyncIterator[bytes]:
    """The stream as JSON lines. One that did not come to its end says so in its last line."""
    feed = _Feed(items, ending)
    try:
        while True:
            item = await feed.take(None)
            if item is _END:
                return
            if item is _DRAINING:
                raise Unavailable("The server is going away. Ask again.")
            yield _encode(item) + b"\n"
    except Exception as error:  # noqa: BLE001  # the head has left: this is the last place where it can be told
        yield encode_error(_told(error, ctx), ctx.request_id, ctx.now) + b"\n"
    finally:
        await feed.close()


def _told(error: Exception, ctx: Context) -> Told:
    if isinstance(error, CallError | Defect | TransportFault):
        return error
    # Such as an item that cannot be written as JSON.
    ctx.log.error("http.defect", error=error)
    return Defect()


class _Feed:
    """The items as they come, made in a task of their own."""

    def __init__(self, items: AsyncIterator[Any], ending: Ending) -> None:
        self._items = items
        self._made: list[Any] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = ending
        ending.wake = self._news.set
        self._making = asyncio.create_task(self._make())
        self._making.add_done_callback(lambda _: self._news.set())

    async def take(self, seconds: float | None) -> Any:
        """The next item, or the mark for what happened instead. Raises what the action raised."""
        if not self._made and not self._making.done() and not self._ending.told:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return _SILENT
        if self._ending.error is not None:
            raise self._ending.error
        if self._made:
            item = self._made.pop()
            self._room.set()
            return item
        if self._making.done():
            self._making.result()
            return _END
        return _DRAINING

    async def close(self) -> None:
        """End the action where it waits, and wait until it has cleaned up."""
        self._making.cancel()
        await asyncio.wait((self._making,))
        if not self._making.cancelled():
            # Asked for, or the loop complains that nobody did.
            self._making.exception()

    async def _make(self) -> None:
        try:
            async for item in self._items:
                self._made.append(item)
                self._room.clear()
                self._news.set()
                await self._room.wait()
        finally:
            await close_items(self._items)


class OpenStream:
    """The chunks of an open stream, and what goes with it when it ends: its place in the list, and its uploads."""

    __slots__ = ("_chunks", "_ending", "_ends", "_form")

    def __init__(
        self, chunks: AsyncIterator[bytes], ends: StreamEnds, ending: Ending, form: MultipartForm | None
    ) -> None:
        self._chunks = chunks
        self._form = form
        self._ends = ends
        self._ending = ending

    def __aiter__(self) -> OpenStream:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """End the stream; also when it was never begun, which a generator would not notice."""
        self._ends.leave(self._ending)
        try:
            closing = getattr(self._chunks, "aclose", None)
            if closing is not None:
                await closing()
        finally:
            if self._form is not None:
                await self._form.close()
