"""The event log: facts in their order, for as long as they are kept; what any number of readers read on from."""

# An entry of the stream {events.S}:log has two fields: `n`, which numbers the entries of a log without a hole, and
# `event`, a CloudEvent in structured JSON. Entries are only added at the end, by one script, with rising ids and
# numbers; they go away only at the beginning, when they are too many (`max_events`) or too old (`keep`). So whoever has
# read up to an entry of number n and finds an entry of number m behind it has missed m - n - 1 events, exactly.
#
# An event is known by its id for an hour (`seen`), and a repeat is no second entry. Ids of other services may be
# anything, and those of two sources the same: theirs count together with their source.

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from antiphon.core.clock import Clock
from antiphon.services.streams.keys import Keys, digest_of
from antiphon.services.streams.message import CloudEvent, Undecodable, decode_event
from antiphon.stores.base import Store
from antiphon.stores.scripts.events import steps
from antiphon.stores.scripts.events.steps import Appended, Place

_APPEND_BYTES = 1_048_576
_APPEND_EVENTS = 100
_NOTE_SECONDS = 60.0
_MOST_SEQUENCE = 2**64 - 1

BEGINNING = Place("0-0", 0)
"""The place before every entry."""


class Kept(NamedTuple):
    """An entry of a log: where it is, the bytes of its event, and the event; None for bytes that are none."""

    place: Place
    data: bytes
    event: CloudEvent | None

    @property
    def at(self) -> datetime:
        """When it was added, by the store's clock."""
        return time_of(self.place.entry_id)


class LogState(NamedTuple):
    """A log as it is: how many events it holds, where the first and the last of them are, and its groups' lags."""

    events: int
    first: Place | None
    last: Place
    lags: Mapping[str, int | None]


class EventLog:
    """The logs of one store. Every method raises Unavailable when it is away; a step may have run then or not."""

    def __init__(
        self, store: Store, clock: Clock, *, max_events: int, seen_time: timedelta, keep_time: timedelta
    ) -> None:
        self.store = store
        self.keys = Keys(store)
        self._clock = clock
        self._max_events = max_events
        self._seen_millis = _millis(seen_time)
        self._keep_time = keep_time
        self._noted: dict[str, float] = {}

    async def append(
        self, stream: str, events: Sequence[tuple[str, bytes]], *, keep: timedelta | None = None
    ) -> list[Appended]:
        """Keep events in their order; each comes with what tells it from all others (`key_of`), and a repeat is none.

        Up to a hundred and up to 1 MiB are one step; of more, those before a failure stay.
        """
        kept: list[Appended] = []
        for part in _parts(events):
            kept += await steps.append(
                self.store,
                self.keys.log(stream),
                [(self.keys.seen(stream, key), data) for key, data in part],
                most=self._max_events,
                keep_millis=_millis(keep or self._keep_time),
                seen_millis=self._seen_millis,
            )
        await self._note(stream)
        return kept

    async def read(self, stream: str, after: Place, count: int) -> list[Kept]:
        """At most `count` entries behind this place, in their order."""
        begin = f"({after.entry_id}"
        found = await self.store.client.execute_command("XRANGE", self.keys.log(stream), begin, "+", "COUNT", count)
        kept: list[Kept] = []
        for each in map(_kept, _entries(found)):
            if not each.place.number:
                # Somebody has added it by hand. It must not look like a hole.
                number = (kept[-1].place if kept else after).number + 1
                each = each._replace(place=Place(each.place.entry_id, number))
            kept.append(each)
        return kept

    async def wait(self, client: Any, stream: str, after: str, block: timedelta) -> bool:
        """Wait until there is an entry behind this one; False when there was none for so long.

        `client` has a connection for it and a command time of that and a second more (`store.connect`).
        """
        command = ("XREAD", "COUNT", 1, "BLOCK", _millis(block), "STREAMS", self.keys.log(stream), after)
        return bool(await client.execute_command(*command))

    async def latest(self, stream: str, *, before: str = "", count: int = 50) -> list[Kept]:
        """At most `count` entries before this one, the newest first."""
        end = f"({before}" if before else "+"
        found = await self.store.client.execute_command("XREVRANGE", self.keys.log(stream), end, "-", "COUNT", count)
        return [_kept(entry) for entry in _entries(found)]

    async def find(self, stream: str, event_id: str) -> Kept | None:
        """The event with this id, looked for through the whole log."""
        async for each in self.all(stream):
            if each.event is not None and each.event.id == event_id:
                return each
        return None

    async def all(self, stream: str, *, after: Place = BEGINNING) -> AsyncIterator[Kept]:
        """Every entry behind this place."""
        while found := await self.read(stream, after, _APPEND_EVENTS):
            for each in found:
                yield each
            after = found[-1].place

    async def state(self, stream: str) -> LogState | None:
        """How a log is; None when there is none."""
        log = self.keys.log(stream)
        async with self.store.client.pipeline(transaction=False) as pipeline:
            _ = pipeline.execute_command("XINFO", "STREAM", log)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
            _ = pipeline.execute_command("XINFO", "GROUPS", log)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
            info, groups = await pipeline.execute(raise_on_error=False)
        if isinstance(info, Exception) or isinstance(groups, Exception):
            return None
        known = _texts(info)
        first = known["first-entry"]
        return LogState(
            int(known["length"]),
            _kept(first).place if first else None,
            Place(_text(known["last-generated-id"]), int(known["entries-added"])),
            {_text(group["name"]): group.get("lag") for group in map(_texts, cast("list[Any]", groups))},
        )

    async def trim(self, stream: str, keep: timedelta | None = None) -> int:
        """Let go of what is old enough; gives how many events that were. Appending does so by itself, and roughly."""
        return await steps.trim(self.store, self.keys.log(stream), _millis(keep or self._keep_time))

    async def drop_group(self, stream: str, group: str) -> bool:
        """Forget how far a listener was; False when there is no such group."""
        if await self.state(stream) is None:
            return False
        return bool(await self.store.client.execute_command("XGROUP", "DESTROY", self.keys.log(stream), group))

    async def streams(self) -> list[str]:
        """The logs that were added to in the last 30 days."""
        names = await self.store.client.execute_command("ZRANGE", self.keys.known("streams"), 0, -1)
        return sorted(_text(name) for name in names)

    async def _note(self, stream: str) -> None:
        """Write down that this log is used, once a minute at most."""
        now = self._clock.monotonic()
        if now - self._noted.get(stream, -_NOTE_SECONDS) < _NOTE_SECONDS:
            return
        self._noted[stream] = now
        seconds = int(self._clock.now().timestamp())
        await self.store.client.execute_command("ZADD", self.keys.known("streams"), seconds, stream)


def key_of(event: CloudEvent, own_source: str) -> str:
    """What tells an event from every other, in letters that an id of a job may have: its id, if it is one of ours."""
    return event.id if event.source == own_source else digest_of(f"{event.source}\n{event.id}")


def time_of(entry_id: str) -> datetime:
    """When an entry was added: its id begins with the milliseconds."""
    return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)


def before(entry_id: str) -> str:
    """The greatest id below this one."""
    millis, _, sequence = entry_id.partition("-")
    if int(sequence):
        return f"{millis}-{int(sequence) - 1}"
    return f"{int(millis) - 1}-{_MOST_SEQUENCE}" if int(millis) else BEGINNING.entry_id


def behind(entry_id: str) -> str:
    """The smallest id above this one."""
    millis, _, sequence = entry_id.partition("-")
    return f"{millis}-{int(sequence) + 1}" if int(sequence) < _MOST_SEQUENCE else f"{int(millis) + 1}-0"


def order_of(entry_id: str) -> tuple[int, int]:
    """What ids are compared by."""
    millis, _, sequence = entry_id.partition("-")
    return int(millis), int(sequence or 0)


def _parts(events: Sequence[tuple[str, bytes]]) -> list[list[tuple[str, bytes]]]:
    """Pieces that one script takes without keeping others waiting."""
    parts: list[list[tuple[str, bytes]]] = [[]]
    size = 0
    for event in events:
        size += len(event[1])
        if parts[-1] and (len(parts[-1]) >= _APPEND_EVENTS or size > _APPEND_BYTES):
            parts.append([])
            size = len(event[1])
        parts[-1].append(event)
    return [part for part in parts if part]


def _entries(found: Any) -> list[Any]:
    return cast("list[Any]", found or [])


def _kept(entry: Any) -> Kept:
    entry_id, fields = entry
    held = _texts(fields)
    data = bytes(held.get("event", b""))
    try:
        event = decode_event(data)
    except Undecodable:
        event = None
    number = held.get("n", b"")
    return Kept(Place(_text(entry_id), int(number) if bytes(number).isdigit() else 0), data, event)


def _texts(fields: Any) -> dict[str, Any]:
    """A map of the store, by texts; it comes as a map or as a list, depending on the command."""
    if isinstance(fields, Mapping):
        return {_text(name): value for name, value in cast("Mapping[Any, Any]", fields).items()}
    flat = cast("Sequence[Any]", fields)
    return {_text(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _millis(time: timedelta) -> int:
    return max(1, round(time / timedelta(milliseconds=1)))
