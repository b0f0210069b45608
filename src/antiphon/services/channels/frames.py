"""What a client is shown of its topics: the frames, written here and nowhere else."""

# A frame is one JSON object. An event's frame is the entry of the log behind the name of its topic, so an
# event is encoded once by who publishes it, and every node only puts two pieces of bytes together, once for all of its
# watchers.
#
#     entry        {"event":"MessagePosted","offset":43,"data":{…}}            `offset` only where a log is kept
#     event        {"topic":"messages","event":"MessagePosted","offset":43,"data":{…}}
#     presence     {"topic":"messages","presence":{"version":8,"joined":[…],"left":[…]}}
#                  {"topic":"messages","presence":{"version":9,"members":[…]}}         the list anew
#                  {"topic":"messages","presence":{"version":9,"count":731}}           too many for a list
#     reset        {"topic":"messages","reset":{"epoch":"9b01","offset":50}}           `{}` where no log is kept
#     ended        {"topic":"messages","ended":{"type":"FORBIDDEN","message":"…"}}

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import msgspec
from msgspec import UNSET, Raw, UnsetType

from antiphon.core.channel import Position
from antiphon.core.errors import CallError
from antiphon.core.inputs.types import encode_kind

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


class Kind(IntEnum):
    """What a frame is, as far as a full queue cares."""

    REPLY = 0
    ITEM = 1
    EVENT = 2
    STATE = 3
    EPHEMERAL = 4


class Change(msgspec.Struct, frozen=True, gc=False):
    """Who came and went, or who is there now; members are by id, as JSON."""

    version: int
    joined: dict[str, bytes]
    left: dict[str, bytes]
    members: tuple[bytes, ...] | None = None
    count: int | None = None

    def then(self, later: Change) -> Change:
        """Both as one."""
        if later.members is not None or later.count is not None:
            return later
        if self.members is not None or self.count is not None:
            # A list with a change behind it is a newer list; a number is followed by a list, never by a change.
            return Change(later.version, {}, {}, self._with(later), self.count)
        joined = _without(self.joined, later.left) | _without(later.joined, self.left)
        left = _without(self.left, later.joined) | _without(later.left, self.joined)
        return Change(later.version, joined, left)

    def _with(self, later: Change) -> tuple[bytes, ...] | None:
        if self.members is None:
            return None
        gone = set(later.left.values())
        return (*(member for member in self.members if member not in gone), *later.joined.values())


def _without(members: dict[str, bytes], others: dict[str, bytes]) -> dict[str, bytes]:
    return {who: member for who, member in members.items() if who not in others}


class Frame:
    """Bytes for one or many connections. `framed` is for the transport: how it sends them, made once for all."""

    __slots__ = ("change", "data", "framed", "key", "kind", "topic")

    def __init__(
        self, kind: Kind, data: bytes, *, topic: str = "", key: str = "", change: Change | None = None
    ) -> None:
        self.kind = kind
        self.data = data
        self.topic = topic
        self.key = key
        self.change = change
        self.framed: bytes | None = None

    def __repr__(self) -> str:
        return f"<frame {self.kind.name} {self.data!r}>"


class Entry(msgspec.Struct, frozen=True):
    """An entry of a log before it has its offset: the bytes before and after it, and without one."""

    before: bytes
    after: bytes
    plain: bytes


class Subscribed(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a subscribe."""

    topic: str
    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    missed: list[Raw] | UnsetType = UNSET
    members: list[Raw] | UnsetType = UNSET
    count: int | UnsetType = UNSET
    presence_version: int | UnsetType = UNSET


class Member(msgspec.Struct, frozen=True):
    """Somebody who is there."""

    id: str
    name: str
    since: str


def entry_of(event: msgspec.Struct) -> Entry:
    """The entry of an event."""
    name, data = type(event).__name__.encode(), _encode(event)
    return Entry(
        b'{"event":"' + name + b'","offset":',
        b',"data":' + data + b"}",
        b'{"event":"' + name + b'","data":' + data + b"}",
    )


def topic_head(topic: str) -> bytes:
    """What every frame of the topic begins with. The letters of a name need no escape."""
    return b'{"topic":"' + topic.encode() + b'",'


def event_frame(head: bytes, entry: bytes) -> Frame:
    """The frame of an event."""
    return Frame(Kind.EVENT, head + entry[1:])


def ephemeral_frame(head: bytes, entry: bytes, topic: str, sender: str) -> Frame:
    """The frame of an event that is never kept: of one kind and sender only the newest counts."""
    name = entry[: entry.find(b",")].decode("ascii", "replace")
    return Frame(Kind.EPHEMERAL, head + entry[1:], topic=topic, key=f"{topic}\n{name}\n{sender}")


def presence_frame(topic: str, change: Change) -> Frame:
    """The frame of who came and went."""
    inner = b'{"version":%d' % change.version
    if change.count is not None:
        inner += b',"count":%d}' % change.count
    elif change.members is not None:
        inner += b',"members":' + _list(change.members) + b"}"
    else:
        inner += b',"joined":' + _list(change.joined.values()) + b',"left":' + _list(change.left.values()) + b"}"
    data = topic_head(topic) + b'"presence":' + inner + b"}"
    return Frame(Kind.STATE, data, topic=topic, key=f"{topic}\n", change=change)


def reset_frame(topic: str, position: Position | None) -> Frame:
    """The frame that says: something may be missing, load the state again."""
    inner = b"{}" if position is None else _encode(position)
    return Frame(Kind.REPLY, topic_head(topic) + b'"reset":' + inner + b"}")


def ended_frame(topic: str, error: CallError) -> Frame:
    """The frame that says: no longer watching."""
    told = {"type": error.type, "message": error.message}
    return Frame(Kind.REPLY, topic_head(topic) + b'"ended":' + _encode(told) + b"}")


def member_bytes(member: Member) -> bytes:
    """A member as JSON."""
    return _encode(member)


def _list(items: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"
