"""Keeps one connection alive: opens it, listens for signs of life, and comes back after it is lost.

The states are those of `State`, the rules those of `rules`. One task runs the connection; whatever waits for the clock
belongs to one connection and ends with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from antiphon.client.errors import PASSING, CallError, ConnectionLost
from antiphon.client.requests import Requests
from antiphon.client.rules import (
    ANSWER,
    CUT,
    LEAVING,
    OPENING,
    RESTART,
    SETTLED,
    SILENT,
    code_of_refusal,
    comes_back,
)
from antiphon.client.told import Change, Hello
from antiphon.core.clock import Clock

type Opener = Callable[[str, Mapping[str, str]], Awaitable[ClientConnection]]
"""Opens a socket to an address with these headers."""


class Loss(NamedTuple):
    """How a connection ended, or why there was none."""

    code: int
    reason: str = ""
    error: CallError | None = None


class Owner(Protocol):
    """Whom the link tells what happens."""

    def on_frame(self, frame: dict[str, Any]) -> None:
        """A frame came that is not about the connection itself."""
        ...

    def on_change(self, change: Change) -> None:
        """The connection is in another state."""
        ...

    def delay(self, attempt: int) -> float:
        """Seconds before the next attempt."""
        ...


class Link:
    """The connection of one client."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        ticket: Callable[[], Awaitable[str]] | None,
        owner: Owner,
        requests: Requests,
        clock: Clock,
        open: Opener,
    ) -> None:
        self.hello: Hello | None = None
        self._url = "ws" + url.removeprefix("http") if url.startswith("http") else url
        self._headers = headers
        self._ticket = ticket
        self._owner = owner
        self._requests = requests
        self._clock = clock
        self._open = open
        self._task: asyncio.Task[None] | None = None
        self._nap: asyncio.Task[None] | None = None
        self._later: set[asyncio.Task[None]] = set()
        self._socket: ClientConnection | None = None
        self._verdict: Loss | None = None
        self._attempt = 0
        self._opened_at: float | None = None
        self._heard_at = 0.0
        self._pinged_at: float | None = None
        self._leaving = False
        self._come_back_at: float | None = None

    def resume(self) -> None:
        """Connect, or connect at once instead of later."""
        if self._nap is not None:
            self._attempt, self._come_back_at = 0, None
            self._nap.cancel()
        elif self._task is None:
            self._attempt, self._come_back_at = 0, None
            self._task = asyncio.create_task(self._run())
            # Told before the task has begun: whoever calls next must not find the client closed.
            self._owner.on_change(Change(state="connecting"))

    async def close(self) -> None:
        """Leave for good."""
        task, self._task = self._task, None
        if task is None:
            return
        socket, self._socket = self._socket, None
        self._owner.on_change(Change(state="closed", code=1000))
        self._requests.lost(1000, for_good=True)
        if socket is not None:
            await socket.close(1000)
        task.cancel()
        await asyncio.gather(task, *self._forget_later(), return_exceptions=True)

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do this later, unless the connection is gone by then."""

        async def wait() -> None:
            await self._clock.sleep(seconds)
            run()

        task = asyncio.create_task(wait())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def settle(self) -> None:
        """Go, when we were asked to and nothing is awaited any more."""
        if self._leaving and self._socket is not None and not self._requests.awaited:
            self._leaving = False
            self._verdict = Loss(RESTART, "The server asked us to come back.")
            task = asyncio.create_task(self._socket.close(LEAVING))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    # Over and over

    async def _run(self) -> None:
        while True:
            loss = await self._once()
            if asyncio.current_task() is not self._task:
                return  # closed, and told so
            self.hello = self._pinged_at = None
            self._leaving = False
            self._forget_later()
            if not comes_back(loss.code):
                self._task = None
                self._owner.on_change(Change(state="stopped", code=loss.code, reason=loss.reason, error=loss.error))
                self._requests.lost(loss.code, for_good=True)
                return
            wait = self._wait_after(loss)
            # Before anybody is told: who hears that we wait may say that we need not.
            self._nap = asyncio.create_task(self._clock.sleep(wait))
            try:
                told = Change(state="waiting", code=loss.code, reason=loss.reason, retry_in=wait, error=loss.error)
                self._owner.on_change(told)
                self._requests.lost(loss.code, for_good=False)
                await asyncio.wait([self._nap])
            finally:
                self._nap.cancel()
                self._nap = None
            self._owner.on_change(Change(state="connecting"))

    def _wait_after(self, loss: Loss) -> float:
        now = self._clock.monotonic()
        if self._opened_at is not None and now - self._opened_at >= SETTLED:
            self._attempt = 0
        self._opened_at = None
        if self._come_back_at is not None:
            wait, self._come_back_at = max(0.0, self._come_back_at - now), None
            return wait
        wait = self._owner.delay(self._attempt)
        self._attempt += 1
        asked = loss.error.retry_after if loss.error is not None else None
        return max(wait, asked or 0.0)

    async def _once(self) -> Loss:
        """Open a connection and use it until it ends."""
        self._verdict = None
        try:
            socket = await self._open(await self._address(), self._headers)
        except CallError as error:
            passing = error.type in PASSING or isinstance(error, ConnectionLost)
            refused = 4503 if error.type == "FORBIDDEN" else 4501
            return Loss(CUT if passing else refused, error.message, error)
        except InvalidStatus as refusal:
            return _refused(refusal)
        except Exception as error:  # noqa: BLE001  # whatever a ticket or an opener raises: it is tried again
            return Loss(CUT, f"{type(error).__name__}: {error}")
        self._socket = socket
        sending = asyncio.create_task(self._send(socket))
        self.later(OPENING, self._expect_hello)
        try:
            async for text in socket:
                self._hear(text)
        except ConnectionClosed:
            pass  # the code is asked for below, whether it was a good one or not
        except (ValueError, TypeError, LookupError) as error:
            self._verdict = Loss(CUT, f"The server sent a frame that cannot be: {error!r}")
        finally:
            self._socket = None
            sending.cancel()
            socket.transport.abort()
        return self._verdict or Loss(socket.close_code or CUT, socket.close_reason or "")

    async def _address(self) -> str:
        if self._ticket is None:
            return self._url
        parts = urlsplit(self._url)
        query = urlencode({"ticket": await self._ticket()})
        return urlunsplit(parts._replace(query=f"{parts.query}&{query}" if parts.query else query))

    async def _send(self, socket: ClientConnection) -> None:
        try:
            while True:
                await socket.send(await self._requests.next())
        except ConnectionClosed:
            pass  # the reader sees it too, and knows the code

    def _hear(self, text: str | bytes) -> None:
        self._heard_at = self._clock.monotonic()
        self._pinged_at = None
        try:
            frame: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            self._give_up(Loss(CUT, "The server sent what is no JSON object."))
            return
        if "hello" in frame:
            self._greet(msgspec.convert(frame["hello"], Hello))
        elif "reconnect" in frame:
            self._leaving = True
            self._requests.may_send = False
            self._come_back_at = self._heard_at + frame["reconnect"]["afterMs"] / 1000
        else:
            self._owner.on_frame(frame)
        self.settle()

    def _greet(self, hello: Hello) -> None:
        self.hello = hello
        self._opened_at = self._heard_at
        self._requests.may_send, self._requests.most_bytes = True, hello.frame_bytes
        self._check()
        self._owner.on_change(Change(state="open"))
        self._requests.flush()

    # Signs of life

    def _expect_hello(self) -> None:
        if self.hello is None:
            self._give_up(Loss(CUT, "No answer in time."))

    def _check(self) -> None:
        """Ping after a silence, give up when the ping is not answered, and look again later."""
        now = self._clock.monotonic()
        ping = self.hello.ping_seconds if self.hello is not None else 25.0
        if self._pinged_at is not None and now - self._pinged_at >= ANSWER:
            self._give_up(Loss(SILENT, "The server is silent."))
            return
        if self._pinged_at is None and now - self._heard_at >= ping:
            self._pinged_at = now
            self._requests.ping()
        due = self._heard_at + ping if self._pinged_at is None else self._pinged_at + ANSWER
        self.later(max(due - now, 0.001), self._check)

    def _give_up(self, loss: Loss) -> None:
        """Nobody is there to close with."""
        self._verdict = loss
        if self._socket is not None:
            self._socket.transport.abort()

    def _forget_later(self) -> list[asyncio.Task[None]]:
        tasks = [*self._later]
        for task in tasks:
            task.cancel()
        return tasks


def _refused(refusal: InvalidStatus) -> Loss:
    """What a handshake that was refused means."""
    response = refusal.response
    try:
        body = msgspec.json.decode(response.body or b"", type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    error = CallError.read(body.get("error") or {"type": "UNAVAILABLE", "message": f"Status {response.status_code}."})
    after = response.headers.get("Retry-After", "")
    if error.retry_after is None and after.isdecimal():
        error.retry_after = float(after)
    return Loss(code_of_refusal(response.status_code), error.message, error)
