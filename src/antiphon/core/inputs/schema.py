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
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from antiphon.core.errors import Fault, InvalidInput, SetupError
from antiphon.core.inputs.contents import MOST_DIGITS, Most, contents_of, most_of
from antiphon.core.inputs.faults import MOST_FAULTS, faults_in
from antiphon.core.inputs.flaws import flaw_of
from antiphon.core.inputs.strings import StringReader
from antiphon.core.inputs.types import (
    ABSENT,
    compiled,
    convert_kind,
    is_file,
    is_list,
    is_secret,
    spelled,
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


_DIGITS = b"0123456789"
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % (MOST_DIGITS + 1))

OUT_OF_RANGE = object()
"""Stands for a decoded value that holds a number which no int or float can."""


@dataclass(frozen=True, slots=True)
class InputField:
    """One input: its Python name, its name on the wire, its type and what it is when nobody gives it."""

    name: str
    wire: str
    type: Any
    declared: Any
    default: Any
    secret: bool
    file: bool
    many: bool
    most: Most
    strings: StringReader

    @property
    def required(self) -> bool:
        """Whether a call without it is refused."""
        return self.default is REQUIRED


class Schema:
    """Everything the inputs of one action need; made once, at the start."""

    __slots__ = (
        "_decode",
        "_defaults",
        "_mutable",
        "_open_numbers",
        "_quiet",
        "by_wire",
        "fields",
        "positional",
        "struct",
    )

    def __init__(self, owner: str, parameters: Sequence[Parameter]) -> None:
        try:
            wire = _wire_names([parameter.name for parameter in parameters])
        except ValueError:
            raise SetupError(f"Two inputs of {owner} have one name on the wire, in camelCase. Rename one.") from None
        self.fields: tuple[InputField, ...] = tuple(_field(p, wire[p.name]) for p in parameters)
        self.by_wire: dict[str, InputField] = {field.wire: field for field in self.fields}
        self.positional: bool = not any(parameter.keyword_only for parameter in parameters)
        self._defaults: list[tuple[str, Any]] = [(f.name, f.default) for f in self.fields if not f.required]
        self._mutable = any(isinstance(default, list | dict | set) for _, default in self._defaults)
        definitions: list[tuple[str, Any, Any]] = [(field.name, field.type, ABSENT) for field in self.fields]
        try:
            self.struct: type[Inputs] = msgspec.defstruct(
                "".join(word.capitalize() for word in owner.replace(":", " ").replace("-", " ").split()) + "Inputs",
                definitions,
                rename=wire,
                kw_only=True,
                module=__name__,
            )
            self._decode: Callable[[bytes], Inputs] = msgspec.json.Decoder(self.struct, dec_hook=convert_kind).decode
        except NameError as error:
            raise SetupError(
                f"The inputs of {owner} hold the type {error.name!r}, which does not exist when the program runs. "
                f"Import it outside `if TYPE_CHECKING:`, and define it at the top of a module."
            ) from error
        except (TypeError, ValueError) as error:
            raise SetupError(
                f"The inputs of {owner} cannot be read: {error}. Use a type that says what is meant."
            ) from error
        contents = contents_of(self.struct)
        if contents.problems:
            raise SetupError(*(f"The inputs of {owner} cannot be read: {problem}" for problem in contents.problems))
        self._quiet, self._open_numbers = contents.quiet, contents.open_numbers

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
        if data.find(b"\\u0000") >= 0:
            raise InvalidInput
        # A walk through the values costs more than all the rest.
        if len(data) > self._quiet or (self._open_numbers and len(data) > MOST_DIGITS and has_long_number(data)):
            if any(flaw_of(getattr(inputs, field.name), None, "", field.most) for field in self.fields):
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
            raise InvalidInput(fields=faults[:MOST_FAULTS])

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
    if value is OUT_OF_RANGE:
        faults.append(Fault(field.wire, "holds a number out of range"))
        return ABSENT
    try:
        read = msgspec.convert(spelled(value), field.type, dec_hook=convert_kind)
    except (msgspec.ValidationError, ValueError, RecursionError):
        faults += faults_in(field.type, value, field.wire, strict=True)
        return ABSENT
    flaw = flaw_of(read, field.declared, field.wire, field.most)
    if flaw is not None:
        faults.append(flaw)
    return read


def _field(parameter: Parameter, wire: str) -> InputField:
    annotation = compiled(parameter.type)
    most = _most_of(annotation)
    return InputField(
        name=parameter.name,
        wire=wire,
        type=annotation,
        declared=parameter.type,
        default=parameter.default,
        secret=is_secret(annotation),
        file=is_file(annotation),
        many=is_list(annotation),
        most=most,
        strings=StringReader(annotation, most),
    )


def _most_of(annotation: Any) -> Most:
    try:
        return most_of(annotation)
    except (TypeError, ValueError, NameError):
        # What cannot be looked at cannot be an input: it is said when all inputs are put together.
        return Most()


def has_long_number(data: bytes) -> bool:
    """Whether more than MOST_DIGITS digits stand side by side."""
    # So many cannot stand between two bytes of the sample without one of them in it.
    sample = data[MOST_DIGITS :: MOST_DIGITS + 1]
    if len(sample.translate(None, _DIGITS)) == len(sample):
        return False
    return _LONG_NUMBER.search(data) is not None


def json_object(data: bytes) -> Mapping[str, object]:
    """The object in a body. Raises MalformedJson, or InvalidInput when it is some other JSON."""
    try:
        value = msgspec.json.decode(data)
    except msgspec.ValidationError:
        # The one thing that untyped JSON is refused for by this name: a number that no float or int can hold.
        return _by_name(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson from error
    if not isinstance(value, dict):
        raise InvalidInput("The body is not a JSON object.", fields=[])
    return value  # pyright: ignore[reportUnknownVariableType]  # a JSON object has string keys


def _by_name(data: bytes) -> Mapping[str, object]:
    """The object in a body, with OUT_OF_RANGE for every value that holds a number out of range."""
    try:
        raws = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        return {name: _or_out_of_range(raw) for name, raw in raws.items()}
    except msgspec.ValidationError:
        raise InvalidInput("The body is not a JSON object.", fields=[]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson from error


def _or_out_of_range(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except msgspec.ValidationError:
        return OUT_OF_RANGE


def _wire_names(names: Sequence[str]) -> dict[str, str]:
    """The wire names, by the rule that Structs use. Raises ValueError when two are the same."""
    fields = msgspec.structs.fields(msgspec.defstruct("Names", names, rename="camel"))
    return {field.name: field.encode_name for field in fields}
