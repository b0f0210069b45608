"""The inputs of one action, compiled from its signature: how they are read, checked and put in order.

    source      carries                  is read          by
    JSON        types                    strictly         the decoder, in one pass
    strings     names with texts         as the type      one converter a field (query, path, form, command line)
    Python      values                   strictly         msgspec.convert (direct calls, stored calls)

Every field starts as ABSENT; what was given fills it, then defaults do, and what is still ABSENT is missing. So one
Struct serves complete and partial sources, and the decoder writes straight into the value that becomes the call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from antiphon.core.errors import Fault, InvalidInput, SetupError
from antiphon.core.inputs.faults import MOST_FAULTS, faults_in
from antiphon.core.inputs.strings import StringReader
from antiphon.core.inputs.types import (
    ABSENT,
    compiled,
    convert_kind,
    is_file,
    is_list,
    is_secret,
)
from antiphon.core.signature import REQUIRED, Parameter

Inputs = msgspec.Struct
"""The value that carries an action's inputs; its class is made from the signature."""


class MalformedJson(Exception):
    """The body is no JSON at all (as opposed to JSON that does not fit)."""


class Given(NamedTuple):
    """What one source holds, by wire name: decoded values, or lists of strings; and whether secrets are read."""

    values: Mapping[str, Any]
    strings: bool = False
    secrets: bool = True


class InputField(NamedTuple):
    """One input: its Python name, its name on the wire, its type and what it is when nobody gives it."""

    name: str
    wire: str
    type: Any
    declared: Any
    default: Any
    secret: bool
    file: bool
    many: bool
    strings: StringReader

    @property
    def required(self) -> bool:
        """Whether a call without it is refused."""
        return self.default is REQUIRED


class Schema:
    """Everything the inputs of one action need; made once, at the start."""

    __slots__ = ("_decode", "_defaults", "_mutable", "by_wire", "fields", "positional", "struct")

    def __init__(self, owner: str, parameters: Sequence[Parameter]) -> None:
        camel = _camel_names([parameter.name for parameter in parameters])
        self.fields: tuple[InputField, ...] = tuple(_field(p, camel[p.name]) for p in parameters)
        self.by_wire: dict[str, InputField] = {field.wire: field for field in self.fields}
        self.positional: bool = not any(parameter.keyword_only for parameter in parameters)
        self._defaults: list[tuple[str, Any]] = [(f.name, f.default) for f in self.fields if not f.required]
        self._mutable = any(isinstance(default, list | dict | set) for _, default in self._defaults)
        try:
            definitions: list[tuple[str, Any, Any]] = [(field.name, field.type, ABSENT) for field in self.fields]
            self.struct: type[Inputs] = msgspec.defstruct(
                "".join(word.capitalize() for word in owner.replace(":", " ").replace("-", " ").split()) + "Inputs",
                definitions,
                rename={field.name: field.wire for field in self.fields},
                kw_only=True,
                module=__name__,
            )
            self._decode: Callable[[bytes], Inputs] = msgspec.json.Decoder(self.struct, dec_hook=convert_kind).decode
        except TypeError as error:
            raise SetupError(
                f"The inputs of {owner} cannot be read: {error}. Use a type that says what is meant."
            ) from error

    def from_json(self, data: bytes) -> Inputs:
        """Read a JSON object. Raises InvalidInput with every fault, or MalformedJson."""
        try:
            return self.completed(self.begin(data))
        except InvalidInput:
            return self.gather(Given(json_object(data)))

    def begin(self, data: bytes) -> Inputs:
        """Read a JSON object in one pass, with what is missing left ABSENT for other sources to fill.

        Raises InvalidInput without a field when it does not fit: `gather` finds out why. Raises MalformedJson.
        """
        try:
            inputs = self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # ValidationError is a DecodeError: the second reading says which of the two it is.
            json_object(data)
            raise InvalidInput from None
        if b"\\u0000" in data:
            raise InvalidInput
        return inputs

    def from_python(self, values: Mapping[str, object]) -> Inputs:
        """Check values given in Python, by Python name. An unknown name is a TypeError, as for any function."""
        unknown = [name for name in values if name not in self.struct.__struct_fields__]
        if unknown:
            raise TypeError(f"{self.struct.__name__} has no input {unknown[0]!r}")
        wired = {field.wire: values[field.name] for field in self.fields if field.name in values}
        return self.from_values({name: value for name, value in wired.items() if value is not msgspec.UNSET})

    def from_values(self, values: Mapping[str, object]) -> Inputs:
        """Check decoded values, by wire name. Unknown names are dropped."""
        return self.gather(Given(values))

    def fill(self, inputs: Inputs, values: Mapping[str, Sequence[str]]) -> None:
        """Fill what is still ABSENT from the strings of a URL, secrets left out.

        Raises InvalidInput with the faults of these strings alone.
        """
        faults: list[Fault] = []
        for name, given in values.items():
            field = self.by_wire.get(name)
            if field is None or field.secret or getattr(inputs, field.name) is not ABSENT:
                continue
            value = field.strings.read(given, name, faults)
            if value is not ABSENT:
                setattr(inputs, field.name, value)
        if faults:
            raise InvalidInput(fields=faults)

    def gather(self, *sources: Given) -> Inputs:
        """Read every field from the first source that has it. Raises InvalidInput with every fault of all of them."""
        inputs, faults = self.struct(), list[Fault]()
        for field in self.fields:
            source = next((s for s in sources if field.wire in s.values and (s.secrets or not field.secret)), None)
            before = len(faults)
            if source is not None:
                value = _read_field(field, source, faults)
                setattr(inputs, field.name, value)
            if field.required and getattr(inputs, field.name) is ABSENT and len(faults) == before:
                faults.append(Fault(field.wire, "is missing"))
        if faults:
            raise InvalidInput(fields=faults[:MOST_FAULTS])
        return self.completed(inputs)

    def completed(self, inputs: Inputs) -> Inputs:
        """The same inputs with defaults filled in. Raises InvalidInput naming what is missing."""
        for name, default in self._defaults:
            if getattr(inputs, name) is ABSENT:
                setattr(inputs, name, copy.copy(default) if self._mutable else default)
        if ABSENT in msgspec.structs.astuple(inputs):
            missing = [field.wire for field in self.fields if getattr(inputs, field.name) is ABSENT]
            raise InvalidInput(fields=[Fault(name, "is missing") for name in missing])
        return inputs


def _read_field(field: InputField, source: Given, faults: list[Fault]) -> Any:
    value = source.values[field.wire]
    if source.strings and not field.file:
        return field.strings.read(value, field.wire, faults)
    try:
        read = msgspec.convert(value, field.type, dec_hook=convert_kind)
    except (msgspec.ValidationError, ValueError, RecursionError):
        faults += faults_in(field.type, value, field.wire, strict=True)
        return ABSENT
    if holds_nul(value):
        # PostgreSQL stores no NUL in text, and no honest client sends one.
        faults.append(Fault(field.wire, "holds a NUL character"))
    return read


def holds_nul(value: object) -> bool:
    """Whether a decoded value has the character NUL anywhere in its texts."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list | tuple):
        return any(map(holds_nul, cast("list[object]", value)))
    if isinstance(value, dict):
        held = cast("dict[str, object]", value)
        return any(map(holds_nul, held)) or any(map(holds_nul, held.values()))
    return False


def _field(parameter: Parameter, wire: str) -> InputField:
    annotation = compiled(parameter.type)
    return InputField(
        name=parameter.name,
        wire=wire,
        type=annotation,
        declared=parameter.type,
        default=parameter.default,
        secret=is_secret(annotation),
        file=is_file(annotation),
        many=is_list(annotation),
        strings=StringReader(annotation),
    )


def json_object(data: bytes) -> Mapping[str, object]:
    """The object in a body. Raises MalformedJson, or InvalidInput when it is some other JSON."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson from error
    if not isinstance(value, dict):
        raise InvalidInput("The body is not a JSON object.", fields=[])
    return value  # pyright: ignore[reportUnknownVariableType]  # a JSON object has string keys


def _camel_names(names: Sequence[str]) -> dict[str, str]:
    """The wire names, by the rule that Structs use."""

    def camel(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.capitalize() for part in rest)

    return {name: camel(name) for name in names}
