"""What a server without frames of its own does by hand, with msgspec: the same JSON read, checked and answered."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]


class Params(msgspec.Struct):
    """The inputs of both actions."""

    text: Text
    n: int = 0


class Asked(msgspec.Struct):
    """A frame of a client."""

    id: int
    action: Literal["echo:say", "room:say"] | None = None
    params: Params | None = None
    subscribe: Literal["room"] | None = None


class Echo(msgspec.Struct):
    """What echo:say answers."""

    text: str


class Answer(msgspec.Struct):
    """The answer to a frame."""

    id: int | None
    result: Echo | None


class Event(msgspec.Struct):
    """What watchers are shown."""

    topic: str
    event: str
    data: Params


class Does(NamedTuple):
    """What is to be done with a frame: this is answered; with `event`, everybody is shown it; `watches` adds one."""

    answer: bytes
    event: bytes | None = None
    watches: bool = False


REFUSED = b'{"id":null,"error":{"type":"INVALID_INPUT","message":"The frame does not fit."}}'

_decode = msgspec.json.Decoder(Asked).decode
encode = msgspec.json.Encoder().encode


def read(data: bytes | str | memoryview) -> Does:
    """Look at a frame."""
    try:
        asked = _decode(data)
    except msgspec.DecodeError:
        return Does(REFUSED)
    params = asked.params
    if asked.subscribe is not None:
        return Does(encode(Answer(asked.id, None)), watches=True)
    if params is None or asked.action is None:
        return Does(REFUSED)
    if asked.action == "echo:say":
        return Does(encode(Answer(asked.id, Echo(params.text))))
    return Does(encode(Answer(asked.id, None)), encode(Event("room", "Said", params)))
