"""Listeners as operators see them: how far they are, what they missed; replay, accept, drop."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from antiphon.core.clock import Clock, Ids
from antiphon.core.errors import Conflict, InvalidInput, NotFound
from antiphon.services.events.feeder import FED, REPLAYED
from antiphon.services.events.listener import Listener
from antiphon.services.events.replay import Replay, read_replay, write_replay
from antiphon.services.streams.keys import queue_of_listener
from antiphon.services.streams.log import EventLog, Kept, LogState, before, order_of, time_of
from antiphon.stores.scripts.events import steps
from antiphon.stores.scripts.events.steps import Place

GAP = "gap"
"""The field of a queue's `meta` that says what its listener has missed."""

FOREIGN = "x-"
"""What the names of groups begin with that are other services' own."""

_ENTRY_ID = re.compile(r"[0-9]{1,15}-[0-9]{1,19}")
_LAST = 2**64 - 1


class Gap(NamedTuple):
    """What a listener missed, because it was gone: the entry ids between which it stood, and how many events."""

    first: str
    last: str
    events: int

    @property
    def since(self) -> datetime:
        """The time of the first of them, at the earliest."""
        return time_of(self.first)

    @property
    def until(self) -> datetime:
        """The time of the last of them, at the latest."""
        return time_of(self.last)


class ListenerState(NamedTuple):
    """How one listener stands.

    `lag` is how many entries of its log it has not been given yet (None: not known), `unfinished` how many events wait
    in its queue, `at` the time up to which it was given everything. One that is not `declared` is retired, or another
    release's; `event` is empty then.
    """

    name: str
    stream: str
    event: str
    declared: bool
    lag: int | None
    unfinished: int
    at: datetime | None
    gap: Gap | None
    replay: Replay | None


class Steering:
    """What can be asked and done about listeners. Every method raises Unavailable when the store is away."""

    def __init__(self, log: EventLog, clock: Clock, ids: Ids) -> None:
        self._log = log
        self._clock = clock
        self._ids = ids
        self._listeners: Mapping[str, Listener[Any]] = {}

    def declare(self, listeners: Sequence[Listener[Any]]) -> None:
        """Say which listeners the application has."""
        self._listeners = {listener.name: listener for listener in listeners}

    async def states(self) -> list[ListenerState]:
        """Every listener that the application declares or the store remembers, by name."""
        streams = {listener.kind.stream for listener in self._listeners.values()}
        streams.update(await self._log.streams())
        logs = {stream: await self._log.state(stream) for stream in sorted(streams)}
        places = {name: listener.kind.stream for name, listener in self._listeners.items()}
        for stream, state in logs.items():
            for group in state.lags if state is not None else ():
                if not group.startswith(FOREIGN):
                    places.setdefault(group, stream)
        return [await self._state(name, stream, logs.get(stream)) for name, stream in sorted(places.items())]

    async def state(self, name: str) -> ListenerState:
        """One listener. Raises NotFound."""
        found = next((state for state in await self.states() if state.name == name), None)
        if found is None:
            raise NotFound("There is no such listener.")
        return found

    async def gaps(self) -> dict[str, Gap]:
        """What declared listeners have missed and nobody has replayed or accepted yet: in one trip."""
        if not self._listeners:
            return {}
        async with self._log.store.client.pipeline(transaction=False) as pipeline:
            for name in self._listeners:
                _ = pipeline.execute_command("HGET", self._meta(name), GAP)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
            found = cast("list[bytes | None]", await pipeline.execute())
        return {name: _gap(text) for name, text in zip(self._listeners, found, strict=True) if text}

    async def replay(self, name: str, since: str, until: str = "", *, key: str = "", again: bool = False) -> Replay:
        """Have a listener told again of what is in the log from `since` to `until`, both included.

        Each is a time with its offset, the id of an event or the id of an entry; without `until`, to the end as it is
        now. With a `key`, only of events with that key. Effects that were made under `ctx.idempotency_key` stay made
        unless it is `again`. A worker feeds it by and by. A complaint about what was missed ends when the replay
        begins before its end. Raises NotFound, InvalidInput, or Conflict while another replay runs.
        """
        listener = self._listeners.get(name)
        if listener is None:
            raise NotFound("There is no such listener.")
        stream = listener.kind.stream
        state = await self._log.state(stream)
        after = before(await self._entry(stream, since, "from", 0))
        end = await self._entry(stream, until, "to", _LAST) if until else state.last.entry_id if state else "0-0"
        if order_of(end) < order_of(after):
            raise InvalidInput.of("to", "is before `from`")
        # Short and never the same: with a letter in front, no tail of a job's id can be mistaken for it.
        made = Replay(f"r{self._ids.uuid7().replace('-', '')[-16:]}", name, after, end, self._clock.now(), key, again)
        gap = (await self.gaps()).get(name)
        forgives = gap is not None and order_of(after) < order_of(gap.last)
        meta = self._meta(name)
        if not await steps.begin_replay(self._log.store, meta, write_replay(made), Place(after, 0), forgives=forgives):
            raise Conflict("A replay for this listener is running already.")
        return made

    async def accept(self, name: str) -> Gap:
        """End the complaint about what a listener missed; gives what that was. Raises NotFound when there is none."""
        state = await self.state(name)
        if state.gap is None:
            raise NotFound("This listener has missed nothing.")
        await self._log.store.client.execute_command("HDEL", self._meta(name), GAP)
        return state.gap

    async def drop(self, name: str) -> None:
        """Forget a retired listener: how far it was, and what it missed. What waits in its queue stays there.

        Raises NotFound, and Conflict for one that the application still declares.
        """
        if name in self._listeners:
            raise Conflict("This listener is in use. Take it out of the application first.")
        state = await self.state(name)
        # The cursor first: without it every step of a feeder that is still on its way is refused.
        await self._log.store.client.execute_command("HDEL", self._meta(name), FED, REPLAYED, "replay", GAP)
        await self._log.drop_group(state.stream, name)

    async def latest(self, stream: str, *, before: str = "", count: int = 50) -> list[Kept]:
        """What is in a log, the newest first, before this entry."""
        if before and not _ENTRY_ID.fullmatch(before):
            raise InvalidInput.of("cursor", "is no place in a log")
        return await self._log.latest(stream, before=before, count=count)

    def _meta(self, name: str) -> str:
        return self._log.keys.meta(queue_of_listener(name))

    async def _state(self, name: str, stream: str, log: LogState | None) -> ListenerState:
        fields = (FED, GAP, "replay", "unfinished")
        found = await self._log.store.client.execute_command("HMGET", self._meta(name), *fields)
        fed, gap, replay, unfinished = (value.decode() if value else "" for value in cast("list[bytes | None]", found))
        listener = self._listeners.get(name)
        return ListenerState(
            name,
            stream,
            listener.kind.name if listener is not None else "",
            listener is not None,
            log.lags.get(name) if log is not None else None,
            int(unfinished or 0),
            time_of(Place.read(fed).entry_id) if fed else None,
            _gap(gap) if gap else None,
            read_replay(replay),
        )

    async def _entry(self, stream: str, text: str, name: str, sequence: int) -> str:
        """The entry id that a time, the id of an event or of an entry means."""
        if _ENTRY_ID.fullmatch(text):
            return text
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            found = await self._log.find(stream, text)
            if found is None:
                raise InvalidInput.of(name, "is neither a time nor the id of an event that is kept") from None
            return found.place.entry_id
        if time.tzinfo is None:
            raise InvalidInput.of(name, "is a time without its offset; write 2026-01-01T00:00Z")
        return f"{max(0, int(time.astimezone(UTC).timestamp() * 1000))}-{sequence}"


def _gap(text: bytes | str) -> Gap:
    first, last, events = (text.decode() if isinstance(text, bytes) else text).split(" ")
    return Gap(first, last, int(events))
