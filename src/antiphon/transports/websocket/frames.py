"""The frames of a socket, both ways: what a client may say, and how it is answered. Written here and nowhere else."""

# One JSON object in each text frame.
#
#   a client says                                            it is answered under the same id
#   {"id":1,"action":"…","params":{…},"key":"…"}             {"id":1,"result":…} or {"id":1,"error":{…}}
#                         … again under the same key         … and "replayed":true
#                         … of a stream                      {"id":1,"item":…} each, {"id":1,"done":true} or an error
#   {"id":2,"cancel":1}                                      {"id":2,"result":null}
#   {"id":3,"subscribe":"…","since":{"epoch":…,"offset":…}}  {"id":3,"result":{"topic":…,…}}
#   {"id":4,"unsubscribe":"…"}                               {"id":4,"result":null}
#   {"id":5,"token":"…"}                                     {"id":5,"result":{"user":…,"expiresAt":…}}
#   {"id":6,"ping":true}                                     {"id":6,"result":{"now":…}}
#
#   the server says by itself
#   {"hello":{"version":1,"connectionId":…,"user":…,"pingSeconds":…,"frameBytes":…}}    first
#   {"reconnect":{"afterMs":…}}                                                         before it goes away
#   what is shown of topics: services/channels/frames.py

from __future__ import annotations

import json
from typing import Annotated, Any, Final, final

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from antiphon.core.channel import Position
from antiphon.core.inputs.types import encode_kind
from antiphon.core.results import Download
from antiphon.transports.base import ErrorObject

VERSION: Final = 1
SUBPROTOCOL: Final = "antiphon.v1"

type FrameId = int | str

FORM: Final = (
    'Send {"id": 1, "action": "message:create", "params": {}}, or subscribe, unsubscribe, cancel, token or ping.'
)

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode
_REPLAYED: Final = b',"replayed":true'
_VERBS: Final = ("action", "cancel", "subscribe", "unsubscribe", "token", "ping")

Id = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[str, Meta(min_length=1, max_length=64)]


@final
class Asked(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A call that a client asked for: what nearly every frame is, read in one step when it holds nothing else."""

    id: Id
    action: str
    params: Raw = Raw(b"{}")
    key: str | UnsetType = UNSET
    strict: bool | UnsetType = UNSET


@final
class Said(msgspec.Struct, frozen=True, gc=False):
    """What a client said: an id, one verb, and what belongs to it."""

    id: Id
    action: str | UnsetType = UNSET
    params: Raw = Raw(b"{}")
    key: str | UnsetType = UNSET
    strict: bool | UnsetType = UNSET
    cancel: Id | UnsetType = UNSET
    subscribe: str | UnsetType = UNSET
    since: Position | UnsetType | None = UNSET
    unsubscribe: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    ping: bool | UnsetType = UNSET
    message_type: Raw | UnsetType = msgspec.field(name="messageType", default=UNSET)

    @property
    def verb(self) -> str:
        """Which of the verbs it has."""
        return next(verb for verb in _VERBS if getattr(self, verb) is not UNSET)

    @property
    def verbs(self) -> int:
        """How many verbs it has."""
        return sum(getattr(self, verb) is not UNSET for verb in _VERBS)


class _Named(msgspec.Struct, frozen=True):
    id: Id | None = None


_read_asked = msgspec.json.Decoder(Asked).decode
_read = msgspec.json.Decoder(Said).decode
_read_id = msgspec.json.Decoder(_Named).decode


class Malformed(Exception):
    """A frame that is none; `id` is its id if that can be read."""

    def __init__(self, message: str, frame_id: FrameId | None) -> None:
        self.message = message
        self.id = frame_id
        super().__init__(message)


def read_frame(data: bytes) -> Asked | Said:
    """What a client said: a call, or anything else. The bytes come from anyone. Raises Malformed."""
    try:
        return _read_asked(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        said = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(f"The frame cannot be read. {FORM}", _id_of(data)) from None
    if said.verbs != 1 or said.ping is False:
        raise Malformed(f"A frame has exactly one verb. {FORM}", said.id)
    if said.message_type is not UNSET:
        # Another protocol's: what else it says may mean something else there.
        raise Malformed(f"Frames have no messageType here. {FORM}", said.id)
    if said.action is not UNSET:
        return Asked(said.id, said.action, said.params, said.key, said.strict)
    return said


def _id_of(data: bytes) -> FrameId | None:
    try:
        return _read_id(data).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # Half a surrogate is what scripts make of a text that was cut, and the reader above stops at it. Whoever sent
        # it waits for an answer under this id.
        found = msgspec.convert(json.loads(data), _Named).id
        str(found).encode()
    except (ValueError, RecursionError):
        return None
    return found


# What the server says


class _Answer(msgspec.Struct, gc=False):
    id: FrameId
    result: Any
    replayed: bool | UnsetType


def result_frame(frame_id: FrameId, result: Any, *, is_replayed: bool = False) -> bytes:
    """The answer to a frame. Raises TypeError for a result that has no form in JSON."""
    if result.__class__ is Download:
        raise TypeError("A file cannot be sent over a socket.")
    if result.__class__ is bytes:
        # In JSON already.
        result = Raw(result)
    return _encode(_Answer(frame_id, result, is_replayed or UNSET))


def item_frame(frame_id: FrameId, item: Any) -> bytes:
    """One item of a stream."""
    return b'{"id":%b,"item":%b}' % (_encode(frame_id), _encode(item))


def done_frame(frame_id: FrameId) -> bytes:
    """The end of a stream."""
    return b'{"id":%b,"done":true}' % _encode(frame_id)


def error_frame(frame_id: FrameId | None, error: ErrorObject, *, is_replayed: bool = False) -> bytes:
    """A frame that failed."""
    return b'{"id":%b,"error":%b%b}' % (_encode(frame_id), _encode(error), _REPLAYED if is_replayed else b"")


class SocketUser(msgspec.Struct):
    """Who a socket is; `name` is empty where nothing knows it."""

    id: str
    name: str


class Hello(msgspec.Struct, rename="camel"):
    """What the server says first."""

    connection_id: str
    user: SocketUser | None
    ping_seconds: float
    frame_bytes: int
    version: int = VERSION


def hello_frame(hello: Hello) -> bytes:
    """The first frame."""
    return b'{"hello":%b}' % _encode(hello)


def reconnect_frame(after_ms: int) -> bytes:
    """The word to come back after so long."""
    return b'{"reconnect":{"afterMs":%d}}' % after_ms
