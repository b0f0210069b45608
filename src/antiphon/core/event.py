"""The event: a fact, declared on the Struct that holds it; its name, its version, and what becomes of older ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from antiphon.core.action import NAME
from antiphon.core.durations import parse_duration
from antiphon.core.errors import Defect, InvalidInput, NotFound, SetupError
from antiphon.core.inputs.contents import walk
from antiphon.core.inputs.schema import Schema
from antiphon.core.inputs.types import encode_kind
from antiphon.core.secrets import Secret
from antiphon.core.signature import REQUIRED, Parameter

E = TypeVar("E", bound=msgspec.Struct)

type Upcast = Callable[[dict[str, Any]], dict[str, Any] | msgspec.Struct]
"""Makes the data of an older version, as on the wire, into that of the next one; or into an event at once."""

KEEP = timedelta(days=7)
"""How long an event is kept when nothing else is said."""

_TERMS = "__event__"
_KEYS = (inspect.StrType, inspect.IntType, inspect.UUIDType, inspect.EnumType, inspect.LiteralType, inspect.NoneType)
_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """What the decorator said."""

    name: str
    version: int
    key: str
    keep: timedelta
    upcast: Mapping[int, Upcast] = field(default_factory=dict[int, Upcast])


class EventType:
    """One kind of event, as the parts that carry it see it. Two of them are the same when their Struct is."""

    def __init__(self, struct: type[msgspec.Struct], terms: _Terms) -> None:
        self.struct = struct
        self.name = terms.name
        self.version = terms.version
        self.key = terms.key
        self.keep = terms.keep
        self.upcast = terms.upcast

    @property
    def where(self) -> str:
        """Where the Struct stands, for messages."""
        return f"{self.struct.__module__}.{self.struct.__qualname__}"

    @property
    def stream(self) -> str:
        """The log that it is kept in: all events with this word before the colon have one order."""
        return self.name.partition(":")[0]

    @cached_property
    def schema(self) -> Schema:
        """How its data is read and checked, as the one input `event` of a call."""
        try:
            return Schema(self.name, [Parameter("event", self.struct, REQUIRED, keyword_only=False)])
        except SetupError as error:
            raise SetupError(*(f"{self.where}: {problem}" for problem in error.problems)) from error

    def problems(self) -> Iterable[str]:
        """What is wrong with it; anything at all stops the start-up."""
        if not NAME.fullmatch(self.name) or ":" not in self.name:
            yield (
                f"{self.where}: {self.name!r} is no name for an event. Write `stream:fact` in lower case, as in "
                f'@event("order:paid").'
            )
        if self.version < 1:
            yield f"{self.where}: the event {self.name} says version={self.version}. Versions count from 1."
        if self.keep <= timedelta(0):
            yield f'{self.where}: the event {self.name} must be kept for a while, as in keep="7d".'
        strays = sorted(version for version in self.upcast if not 1 <= version < self.version)
        if strays:
            yield (
                f"{self.where}: the event {self.name} lifts version {strays[0]}, and its own is {self.version}. "
                f"Give `upcast` older versions only."
            )
        try:
            nodes = [node for node, _ in walk(inspect.type_info(self.schema.struct))]
        except SetupError as error:
            yield from error.problems
            return
        if any(isinstance(node, inspect.CustomType) and node.cls is Secret for node in nodes):
            yield f"{self.where}: the event {self.name} holds a Secret, and logs are read by many. Tell its id instead."
        yield from self._key_problems()

    def _key_problems(self) -> Iterable[str]:
        if not self.key:
            return
        info = cast("inspect.StructType", inspect.type_info(self.struct))
        found = next((each.type for each in info.fields if each.name == self.key), None)
        if found is None:
            yield (
                f"{self.where}: the event {self.name} has no field {self.key!r} for its key. Its fields are "
                f"{', '.join(each.name for each in info.fields)}."
            )
        elif not all(isinstance(part, _KEYS) for part in getattr(found, "types", (found,))):
            yield f"{self.where}: the key {self.key!r} of the event {self.name} must be a text, a number or an id."

    def key_of(self, event: msgspec.Struct) -> str:
        """What the order of its events stands on; empty when nothing does."""
        value = getattr(event, self.key) if self.key else None
        return "" if value is None else str(msgspec.to_builtins(value, enc_hook=encode_kind))

    def encode(self, event: msgspec.Struct) -> bytes:
        """Its data as JSON."""
        return _encode(event)

    def newest(self, data: bytes, version: int) -> msgspec.Struct:
        """The event from the data of this version or an older one.

        Raises InvalidInput for data that does not fit and for an older version that nothing lifts, Defect for a lift
        that fails.
        """
        while version < self.version:
            if version not in self.upcast:
                raise InvalidInput(f"Nothing lifts version {version} of the event {self.name}: give it an upcast.")
            lifted = self._lift(data, version)
            if isinstance(lifted, self.struct):
                return lifted
            data, version = _encode(lifted), version + 1
        inputs = self.schema.from_json(b'{"event":' + data + b"}")
        return cast("msgspec.Struct", getattr(inputs, "event"))  # noqa: B009  # the Struct is made at run time

    def _lift(self, data: bytes, version: int) -> dict[str, Any] | msgspec.Struct:
        try:
            decoded = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.ValidationError:
            raise InvalidInput(f"The data of the event {self.name} is not a JSON object.") from None
        try:
            return self.upcast[version](decoded)
        except Exception as error:
            defect = Defect()
            defect.__cause__ = error
            raise defect from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EventType) and other.struct is self.struct

    def __hash__(self) -> int:
        return hash(self.struct)

    def __repr__(self) -> str:
        return f"<event {self.name} {self.version}>"


def event(
    name: str,
    /,
    *,
    version: int = 1,
    key: str = "",
    keep: str | timedelta = KEEP,
    upcast: Mapping[int, Upcast] | None = None,
) -> Callable[[type[E]], type[E]]:
    """Declare a Struct as an event: a fact that `ctx.publish` announces and listeners hear of.

    The word before the colon is its log. `key` names the field whose events every listener is given in their order. An
    event is kept for `keep`. Fields with a default may come without a new version; for any other change raise it, and
    let `upcast={1: from_v1}` make the data of the older version (a dict, as on the wire) into that of the next: so
    listeners always see the newest.
    """

    def declare(struct: type[E]) -> type[E]:
        lasting = parse_duration(keep) if isinstance(keep, str) else keep
        # On the class itself: nothing is kept anywhere else, and the class stays what it is.
        setattr(struct, _TERMS, _Terms(name, version, key, lasting, dict(upcast or {})))
        return struct

    return declare


def event_type(struct: object) -> EventType | None:
    """What `@event` said of this class; None for whatever else, a class that inherits from an event included."""
    if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
        return None
    terms = vars(struct).get(_TERMS)
    return EventType(struct, terms) if isinstance(terms, _Terms) else None


class EventTable:
    """The events of an application, by name and by Struct."""

    def __init__(self, events: Iterable[EventType] = ()) -> None:
        self.by_name: dict[str, EventType] = {}
        self.by_struct: dict[type, EventType] = {}
        problems: list[str] = []
        for each in events:
            try:
                self.add(each)
            except SetupError as error:
                problems += error.problems
        if problems:
            raise SetupError(*problems)

    def add(self, each: EventType) -> None:
        """Take in one more, such as one that no module of the application holds. Raises SetupError for a name taken."""
        other = self.by_name.setdefault(each.name, each)
        if other != each:
            raise SetupError(
                f"Two events are called {each.name}: {other.where} and {each.where}. Rename one; a new version of "
                f"an event is the same Struct with version={other.version + 1}."
            )
        self.by_struct.setdefault(each.struct, each)

    def find(self, name: str) -> EventType:
        """The event of this name. Raises NotFound."""
        found = self.by_name.get(name)
        if found is None:
            raise NotFound("There is no such event.")
        return found

    def keep(self, stream: str) -> timedelta | None:
        """How long a log is kept: as long as the one of its events that is kept longest. None for no log of ours."""
        return max((each.keep for each in self.by_name.values() if each.stream == stream), default=None)
