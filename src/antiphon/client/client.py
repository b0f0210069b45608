"""The client: calls, streams and topics over one WebSocket that keeps itself alive."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self, cast

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from antiphon.client.errors import CallError, ConnectionLost
from antiphon.client.link import Link, Opener
from antiphon.client.requests import OnEnd, Request, Requests
from antiphon.client.rules import AT_ONCE, OPENING, PACE, delay
from antiphon.client.telling import tell
from antiphon.client.told import Change, Hello, Position, Presence, State
from antiphon.client.watch import Watch
from antiphon.core.clock import Clock, SystemClock

_CALL = timedelta(seconds=30)
_MOST_BYTES = 16 * 1024 * 1024


class Client:
    """A connection that keeps itself alive: `async with Client.connect("ws://…/ws", headers=…) as client: …`.

    A call that was not sent yet waits for the next connection. One that was sent and not answered fails with
    ConnectionLost: it may have run. With a `key` it can be sent again and is done once. Belongs to one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        ticket: Callable[[], Awaitable[str]] | None = None,
        cookie: str | None = None,
        headers: Mapping[str, str] | None = None,
        on_state: Callable[[Change], None] | None = None,
        on_fault: Callable[[CallError], None] | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = random.random,
        open: Opener | None = None,
    ) -> None:
        """Not connected yet: `resume()` connects, `Client.connect(…)` does so for a block.

        `ticket` is asked before each connection, `cookie` is what a browser would send; `on_fault` is told errors that
        belong to no call. The clock, the randomness of delays and the opening of sockets can be a test's own.
        """
        self._random = random
        self._clock = clock or SystemClock()
        self._on_state = on_state
        self._on_fault = on_fault
        self._requests = Requests()
        self._watches: dict[str, Watch] = {}
        self._state: State = "closed"
        self._last: Change = Change(state="closed")
        self._changed = asyncio.Event()
        sent = dict(headers or {}) | ({"Cookie": cookie} if cookie is not None else {})
        self._link = Link(url, sent, ticket, self, self._requests, self._clock, open or _open)

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, *, within: timedelta = _CALL, **options: Any) -> AsyncGenerator[Self]:
        """A client that is connected, for a block. The options are those of the constructor.

        Raises what the server refused with, and ConnectionLost when it could not be reached `within` this time.
        """
        client = cls(url, **options)
        client.resume()
        try:
            await client.opened(within)
            yield client
        finally:
            await client.close()

    @property
    def state(self) -> State:
        """What the connection is."""
        return self._state

    @property
    def hello(self) -> Hello | None:
        """What the server said first on this connection: `user`, `connection_id` and more."""
        return self._link.hello

    def resume(self) -> None:
        """Connect, or connect at once instead of later; again after a stop or `close()`. Topics go on from there."""
        self._link.resume()

    async def opened(self, within: timedelta = _CALL) -> None:
        """Wait until there is a connection. Raises as `connect` does."""
        try:
            async with asyncio.timeout(within.total_seconds()):
                while self._state != "open":
                    if self._state in ("stopped", "closed"):
                        raise self._last.error or ConnectionLost(may_have_run=False, code=self._last.code)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise ConnectionLost(may_have_run=False, code=self._last.code) from None

    async def close(self) -> None:
        """Leave for good: calls fail, topics end. Returns when nothing of the client runs any more."""
        if self._state == "stopped":
            self.on_change(Change(state="closed", code=1000))
        await self._link.close()

    # Asking

    async def call(
        self,
        action: str,
        inputs: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        timeout: timedelta | None = _CALL,
        key: str | None = None,
        strict: bool = False,
    ) -> Any:
        """Call an action and give its result, as plain JSON values. Cancelling cancels it on the server too.

        `timeout` includes waiting for a connection; the same `key` and inputs are done once, however often they are
        sent; `strict` calls are never kept for later. Raises CallError with the `type` of the answer, `TIMED_OUT`
        when there was none in time, and ConnectionLost.
        """
        return await self._ask(_call_frame(action, inputs, key, strict=strict), timeout)

    async def stream(
        self, action: str, inputs: Mapping[str, Any] | msgspec.Struct | None = None, *, key: str | None = None
    ) -> AsyncGenerator[Any]:
        """Call a streaming action; closing the iterator cancels it. Items that are not taken yet wait in memory."""
        items: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

        def ended(result: Any, error: CallError | None) -> None:
            items.put_nowait(("error", error) if error is not None else ("done", None))

        frame = _call_frame(action, inputs, key, strict=False)
        request = self._begin(frame, ended, lambda item: items.put_nowait(("item", item)))
        try:
            while True:
                what, told = await items.get()
                if what == "done":
                    return
                if what == "error":
                    raise told
                yield told
        finally:
            self._take_back(request)

    def watch(
        self,
        topic: str,
        *,
        since: Position | Mapping[str, Any] | None = None,
        on_presence: Callable[[Presence], None] | None = None,
    ) -> Watch:
        """Watch a topic for a block; it is found again after every reconnect. See Watch.

        `since` is what a list action gave as its `position`: nothing between the list and now is missed.
        """
        at = msgspec.convert(since, Position, from_attributes=True) if since is not None else None
        return Watch(topic, self, since=at, on_presence=on_presence)

    async def authenticate(self, token: str) -> Any:
        """Sign this socket in with an access token, or renew the one it lives by."""
        return await self._ask({"token": token}, _CALL)

    async def ping(self) -> Any:
        """Ask the server for its time."""
        return await self._ask({"ping": True}, _CALL)

    async def _ask(self, frame: dict[str, Any], timeout: timedelta | None) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def ended(result: Any, error: CallError | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        request = self._begin(frame, ended)
        try:
            async with asyncio.timeout(timeout.total_seconds() if timeout is not None else None):
                return await answer
        except TimeoutError:
            seconds = timeout.total_seconds() if timeout is not None else 0.0
            raise CallError("TIMED_OUT", f"No answer within {seconds:g} s.", may_have_run=request.sent) from None
        finally:
            self._take_back(request)

    def _begin(self, frame: dict[str, Any], on_end: OnEnd, on_item: Callable[[Any], None] | None = None) -> Request:
        if self._state in ("stopped", "closed"):
            raise ConnectionLost(may_have_run=False, code=self._last.code)
        return self._requests.begin(frame, on_end, on_item)

    def _take_back(self, request: Request) -> None:
        self._requests.take_back(request)
        self._link.settle()

    # What watches use

    @property
    def is_open(self) -> bool:
        """Whether there is a connection for new requests."""
        return self._requests.may_send

    @property
    def stopped(self) -> ConnectionLost | None:
        """What to tell those who wait while there is no connection and will be none."""
        if self._state in ("stopped", "closed"):
            return ConnectionLost(may_have_run=False, code=self._last.code)
        return None

    def ask(self, frame: dict[str, Any], on_end: OnEnd) -> None:
        """Send a frame on this connection."""
        self._requests.begin(frame, on_end)

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do this later, unless the connection is gone by then."""
        self._link.later(seconds, run)

    def enter(self, watch: Watch) -> None:
        """Tell the watch of its topic from now on."""
        if watch.topic in self._watches:
            raise RuntimeError(f"{watch.topic} is watched already. Leave that block first, or share its watch.")
        self._watches[watch.topic] = watch

    def leave(self, watch: Watch) -> None:
        """Tell the watch nothing more."""
        if self._watches.get(watch.topic) is watch:
            del self._watches[watch.topic]

    def delay(self, attempt: int) -> float:
        """Seconds before the next attempt."""
        return delay(attempt, self._random())

    # What the link tells

    def on_frame(self, frame: dict[str, Any]) -> None:
        """A frame came that is not about the connection itself."""
        if "topic" in frame:
            watch = self._watches.get(frame["topic"])
            if watch is not None:
                watch.hear(frame)
        elif "id" in frame and not self._requests.answered(frame):
            if frame["id"] is None:
                tell(self._on_fault, CallError.read(frame.get("error") or {}))

    def on_change(self, change: Change) -> None:
        """The connection is in another state."""
        self._state, self._last = change.state, change
        self._changed.set()
        tell(self._on_state, change)
        if change.state == "open":
            self._find_topics()
        elif change.state != "connecting":
            for watch in [*self._watches.values()]:
                watch.pause()
                watch.wake()

    def _find_topics(self) -> None:
        for number, watch in enumerate([*self._watches.values()]):
            if number < AT_ONCE:
                watch.begin()
            else:
                self._link.later((number + 1 - AT_ONCE) * PACE, watch.begin)


async def _open(url: str, headers: Mapping[str, str]) -> ClientConnection:
    """Open a socket. Ours are the pings, as only an answer to a frame says that the server still reads."""
    return await connect(
        url,
        additional_headers=headers,
        subprotocols=cast("Any", ["antiphon.v1"]),
        compression=None,
        open_timeout=OPENING,
        ping_interval=None,
        close_timeout=2,
        max_size=_MOST_BYTES,
        proxy=None,
    )


def _call_frame(
    action: str, inputs: Mapping[str, Any] | msgspec.Struct | None, key: str | None, *, strict: bool
) -> dict[str, Any]:
    frame: dict[str, Any] = {"action": action, "params": inputs if inputs is not None else {}}
    if key is not None:
        frame["key"] = key
    if strict:
        frame["strict"] = True
    return frame
