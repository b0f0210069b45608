"""One topic that is watched: what is told of it, each once and in order, over reconnects too.

state        what comes                        is
waiting      nothing: not connected, or later  –
subscribing  events with an offset             dropped: the answer has them among the missed
live         the next offset                   told
live         an offset that was passed         dropped
live         an offset too far                 dropped, and subscribed again from the position
ended        anything                          dropped
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from antiphon.client.errors import PASSING, CallError, ConnectionLost
from antiphon.client.members import Members
from antiphon.client.requests import OnEnd
from antiphon.client.told import Event, Member, Position, Presence, Reset

MOST_WAITING = 10_000
"""Events that wait to be taken. With one more they go, and a reset with the reason `slow` stands in their place."""


class Way(Protocol):
    """How a watch uses its client."""

    def ask(self, frame: dict[str, Any], on_end: OnEnd) -> None:
        """Send a frame on this connection."""
        ...

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do this later, unless the connection is gone by then."""
        ...

    def enter(self, watch: Watch) -> None:
        """Tell the watch of its topic from now on. Raises RuntimeError when another one watches it."""
        ...

    def leave(self, watch: Watch) -> None:
        """Tell the watch nothing more."""
        ...

    def delay(self, attempt: int) -> float:
        """Seconds before the next attempt."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether there is a connection."""
        ...

    @property
    def stopped(self) -> ConnectionLost | None:
        """What to tell those who wait while there is no connection and will be none."""
        ...


class Watch:
    """Watches a topic for a block: `async with client.watch("messages") as events: async for event in events: …`.

    Gives each Event once and in order, and a Reset wherever some may be missing. Ends by `unsubscribe()`; raises
    CallError when the door says no, also later, and ConnectionLost when the client has stopped.
    """

    def __init__(
        self, topic: str, way: Way, *, since: Position | None, on_presence: Callable[[Presence], None] | None
    ) -> None:
        self.topic = topic
        self.position = since
        """Everything up to here has been told, or waits to be taken."""
        self._way = way
        self._state = "new"
        self._members = Members(on_presence)
        self._waiting: deque[Event | Reset] = deque()
        self._something = asyncio.Event()
        self._error: CallError | None = None
        self._began = False
        self._turn = 0
        self._attempt = 0

    @property
    def state(self) -> str:
        """`new`, `waiting`, `subscribing`, `live` or `ended`."""
        return self._state

    @property
    def members(self) -> tuple[Member, ...] | None:
        """Who is there; None for a topic without presence."""
        return self._members.listing

    @property
    def count(self) -> int:
        """How many are there."""
        return self._members.count

    async def __aenter__(self) -> Self:
        self._way.enter(self)
        self._state = "waiting"
        self.begin()
        try:
            while not self._began:
                await self._wait()
        except BaseException:
            self.unsubscribe()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event | Reset:
        while not self._waiting:
            if self._state == "ended" and self._error is None:
                raise StopAsyncIteration
            await self._wait()
        return self._waiting.popleft()

    async def _wait(self) -> None:
        error = self._error or self._way.stopped
        if error is not None:
            raise error
        self._something.clear()
        await self._something.wait()

    def unsubscribe(self) -> None:
        """Watch no longer. What waits to be taken still can be."""
        if self._state in ("subscribing", "live") and self._way.is_open:
            self._way.ask({"unsubscribe": self.topic}, _nothing)
        self._end(None)

    # The client's side

    def begin(self) -> None:
        """The connection is open, or it is time to try again."""
        if self._state != "waiting" or not self._way.is_open:
            return
        self._state = "subscribing"
        self._turn += 1
        turn = self._turn

        def answered(answer: Any, error: CallError | None) -> None:
            if turn == self._turn:
                self._live(answer) if error is None else self._refused(error)

        at = self.position
        since = {} if at is None else {"since": {"epoch": at.epoch, "offset": at.offset}}
        self._way.ask({"subscribe": self.topic, **since}, answered)

    def pause(self) -> None:
        """The connection is gone."""
        self._turn += 1
        if self._state != "ended":
            self._state = "waiting"

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._something.set()

    def hear(self, frame: dict[str, Any]) -> None:
        """Take a frame of the topic."""
        if self._state == "ended":
            return
        if "event" in frame:
            self._event(frame, live=self._state == "live")
        elif "presence" in frame:
            self._members.change(frame["presence"])
        elif "reset" in frame:
            self._reset(frame["reset"], "gap")
        elif "ended" in frame:
            self.pause()
            self._refused(CallError.read(frame["ended"]))

    def _live(self, answer: dict[str, Any]) -> None:
        again, recovered = self._began, answer.get("recovered")
        # Read before anything changes: an answer that cannot be must leave the watch as it was.
        missed, place = ([*answer["missed"]] if recovered else []), _place(answer)
        self._state, self._began, self._attempt = "live", True, 0
        if recovered:
            for event in missed:
                self._event(event, missed=True)
            self.position = place
        elif recovered is False or again:
            self._reset(answer, str(answer.get("reason", "window")) if recovered is False else "notKept")
        else:
            self.position = place
        if "members" in answer:
            self._members.put(answer["members"], answer.get("count"), answer.get("presenceVersion", 0))
        self.wake()

    def _event(self, frame: dict[str, Any], *, live: bool = False, missed: bool = False) -> None:
        offset, at = frame.get("offset"), self.position
        if offset is not None:
            if not live and not missed:
                return
            if at is not None:
                if offset <= at.offset:
                    return
                if live and offset > at.offset + 1:
                    self.pause()
                    self.begin()
                    return
                self.position = Position(at.epoch, offset)
        self._put(Event(self.topic, frame["event"], frame.get("data"), offset))

    def _reset(self, told: dict[str, Any], reason: str) -> None:
        self.position = _place(told)
        self._put(Reset(self.topic, reason, self.position))

    def _put(self, told: Event | Reset) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            told = Reset(self.topic, "slow", self.position)
        self._waiting.append(told)
        self.wake()

    def _refused(self, error: CallError) -> None:
        self._state = "waiting"
        if isinstance(error, ConnectionLost):
            return
        if error.type not in PASSING:
            self._end(error)
            return
        turn = self._turn

        def again() -> None:
            if turn == self._turn:
                self.begin()

        self._way.later((error.retry_after or 0.0) + self._way.delay(self._attempt), again)
        self._attempt += 1

    def _end(self, error: CallError | None) -> None:
        if self._state != "ended":
            self._state, self._error = "ended", error
            self._turn += 1
            self._way.leave(self)
            self.wake()


def _place(told: dict[str, Any]) -> Position | None:
    return Position(told["epoch"], told["offset"]) if "epoch" in told else None


def _nothing(result: Any, error: CallError | None) -> None:
    """Nobody waits for this answer."""
