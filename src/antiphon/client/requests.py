"""What was asked and not answered yet, by its id on the wire, and whether it has been sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from antiphon.client.errors import CallError, ConnectionLost

type OnEnd = Callable[[Any, CallError | None], None]
"""Told the result or the error, in the step in which the frame came: before anything that came after it."""

_encode = msgspec.json.Encoder().encode


class Request:
    """One frame that waits for its answer."""

    __slots__ = ("id", "on_end", "on_item", "queued", "sent", "text")

    def __init__(self, id: int, text: str, on_end: OnEnd, on_item: Callable[[Any], None] | None) -> None:
        self.id = id
        self.text = text
        self.on_end = on_end
        self.on_item = on_item
        self.queued = False
        self.sent = False


class Requests:
    """Every request of one client, over all of its connections: ids are never used twice."""

    def __init__(self) -> None:
        self._open: dict[int, Request] = {}
        self._last_id = 0
        self._outbox: deque[Request | str] = deque()
        self._something = asyncio.Event()
        self.may_send = False
        """Whether there is a connection for new requests."""
        self.most_bytes: int | None = None
        """The longest frame that the server takes."""

    def begin(self, frame: dict[str, Any], on_end: OnEnd, on_item: Callable[[Any], None] | None = None) -> Request:
        """Ask: now, or as soon as there is a connection."""
        self._last_id += 1
        text = _encode({"id": self._last_id, **frame}).decode()
        request = Request(self._last_id, text, on_end, on_item)
        self._open[request.id] = request
        if self.may_send:
            self._put(request)
        return request

    def take_back(self, request: Request) -> None:
        """Wait for the answer no longer; the server is told when it may be at work on it."""
        if self._open.pop(request.id, None) is not None and request.sent:
            self._last_id += 1
            self._post(_encode({"id": self._last_id, "cancel": request.id}).decode())

    def ping(self) -> None:
        """Ask for a sign of life; that anything comes is answer enough."""
        self._last_id += 1
        self._post(_encode({"id": self._last_id, "ping": True}).decode())

    def answered(self, frame: dict[str, Any]) -> bool:
        """An answer came. Whether somebody waits for it."""
        request = self._open.get(frame["id"]) if isinstance(frame["id"], int) else None
        if request is None:
            return False
        if "item" in frame:
            if request.on_item is not None:
                request.on_item(frame["item"])
            return True
        del self._open[request.id]
        error = frame.get("error")
        request.on_end(frame.get("result"), CallError.read(error) if error is not None else None)
        return True

    @property
    def awaited(self) -> bool:
        """Whether anything that was sent, or is about to be, has not been answered."""
        return bool(self._outbox) or any(request.sent for request in self._open.values())

    # The connection's side

    def flush(self) -> None:
        """Send everything that has waited for a connection, in its order."""
        for request in [*self._open.values()]:
            if not request.queued:
                self._put(request)

    async def next(self) -> str:
        """The next text to send. What it belongs to counts as sent from here on."""
        while True:
            while not self._outbox:
                self._something.clear()
                await self._something.wait()
            text = self._outbox.popleft()
            if isinstance(text, str):
                return text
            # One that was taken back in the meantime is not sent at all.
            if text.id in self._open:
                text.sent = True
                return text.text

    def lost(self, code: int, *, for_good: bool) -> None:
        """The connection is gone: what was sent fails, and the rest waits for the next one unless there is none."""
        self.may_send = False
        self._outbox.clear()
        for request in [*self._open.values()]:
            request.queued = False
            if request.sent or for_good:
                self._open.pop(request.id, None)
                request.on_end(None, ConnectionLost(may_have_run=request.sent, code=code))

    def _put(self, request: Request) -> None:
        if self.most_bytes is not None and len(request.text.encode()) > self.most_bytes:
            del self._open[request.id]
            request.on_end(None, CallError("TOO_LARGE", f"A frame holds {self.most_bytes} bytes at most."))
            return
        request.queued = True
        self._outbox.append(request)
        self._something.set()

    def _post(self, text: str) -> None:
        self._outbox.append(text)
        self._something.set()
