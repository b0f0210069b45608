"""Reads one value as the type its setting declares, and says what to write instead when it does not fit."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import NoneType
from typing import Any, cast, get_args, get_origin

import msgspec

from antiphon.core.durations import parse_duration
from antiphon.core.errors import Fault
from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.types import alternatives, convert_kind, is_struct, plain, takes_none, without
from antiphon.core.secrets import Secret
from antiphon.core.settings.declare import near
from antiphon.core.settings.sizes import parse_size

LISTS = (list, tuple, set, frozenset)
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def expectation(annotation: Any, *, sized: bool) -> str:
    """What fits the type, in words that follow `write`: `a whole number from 1 to 100`, `a list, each item a path`."""
    options = [option for option in alternatives(annotation) if plain(option) is not NoneType]
    if len(options) != 1:
        return describe(annotation)
    bare = plain(options[0])
    kind = get_origin(bare) or bare
    if kind is Secret:
        return expectation(_inside_secret(bare), sized=sized)
    if kind in LISTS:
        items = dict.fromkeys(expectation(arg, sized=sized) for arg in get_args(bare) if arg is not Ellipsis)
        return describe(annotation) + (f", each item {' or '.join(items)}" if items else "")
    if kind is int and sized:
        return describe(annotation).replace("a whole number", "a size in bytes")
    if kind is dict or is_struct(bare):
        return "a table"
    return "a path" if kind is Path else "a duration" if kind is timedelta else describe(annotation)


def is_sized(name: str) -> bool:
    """Whether whole numbers under this name, or in a list under it, are sizes, which may be written `"10MiB"`."""
    return re.sub(r"\[[0-9]+\]", "", name).endswith("_bytes")


def takes_empty_text(annotation: Any) -> bool:
    """Whether an empty environment variable is a value; for every other type it means that nothing was set."""
    kind = get_origin(plain(annotation)) or plain(annotation)
    return kind is str or kind in LISTS


class ValueReader:
    """Reads values and gathers, by the setting's name, what does not fit. It repeats no value: any could be a secret.

    `text=True` is for the environment, where everything is text and `"5"` is 5; values of files keep their type. What
    already has the declared type passes, so that defaults in code may be `timedelta(seconds=30)` or `"30s"`.
    """

    __slots__ = ("faults", "text")

    def __init__(self, *, text: bool) -> None:
        self.text = text
        self.faults: list[Fault] = []

    def read(self, value: object, annotation: Any, name: str) -> Any:
        """The value, or None with at least one more fault."""
        if value is None and takes_none(annotation):
            return None
        annotation = without(annotation, NoneType)
        bare = plain(annotation)
        kind = get_origin(bare) or bare
        if kind is Secret:
            shown = cast("Secret[object]", value).reveal() if isinstance(value, Secret) else value
            return Secret(self.read(shown, _inside_secret(bare), name))
        if kind in LISTS:
            return self._read_list(value, annotation, name)
        if kind is dict:
            return self._read_dict(value, annotation, name)
        if is_struct(bare):
            return self._read_struct(value, kind, name)
        return self._read_one(value, annotation, kind, name)

    def _read_one(self, value: object, annotation: Any, kind: Any, name: str) -> Any:
        sized = kind is int and is_sized(name)
        written: Callable[[str], object] | None = parse_size if sized else _TEXTS.get(kind)
        if isinstance(value, str) and written and (self.text or kind is not bool):
            try:
                value = written(value)
            except ValueError as error:
                return self._misfit(name, str(error))
        elif kind is timedelta and isinstance(value, int | float):
            return self._misfit(name, 'a duration needs a unit; write it in quotes, such as "30s", "5m" or "1h30m"')
        if kind in (Path, timedelta) and isinstance(value, kind):
            return value
        try:
            value = msgspec.convert(value, annotation, strict=not self.text, dec_hook=convert_kind)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError  # `nan` and `inf` are floats to msgspec, and no setting to us
        except (msgspec.ValidationError, ValueError):
            return self._misfit(name, f"write {expectation(annotation, sized=sized)}{self._quotes(value, kind)}")
        return value

    def _read_list(self, value: object, annotation: Any, name: str) -> Any:
        if self.text and isinstance(value, str):
            value = [item.strip() for item in value.split(",") if item.strip()]
        hints = [hint for hint in get_args(plain(annotation)) if hint is not Ellipsis] or [Any]
        if isinstance(value, LISTS):
            given = cast("Sequence[object]", list(cast("Sequence[object]", value)))
            # A tuple of named places has one type for each; every other list has one type for all.
            fitting = hints if len(hints) == len(given) else [hints[0]] * len(given)
            before = len(self.faults)
            pairs = enumerate(zip(given, fitting, strict=True))
            items = [self.read(item, hint, f"{name}[{at}]") for at, (item, hint) in pairs]
            return None if len(self.faults) > before else self._checked(items, annotation, name)
        return self._misfit(name, f"write {expectation(annotation, sized=is_sized(name))}")

    def _read_dict(self, value: object, annotation: Any, name: str) -> Any:
        if not isinstance(value, Mapping):
            return self._misfit(name, "write a table")
        inner = (get_args(plain(annotation)) or (str, Any))[1]
        before = len(self.faults)
        given = cast("Mapping[object, object]", value)
        table = {key: self.read(item, inner, f"{name}.{key}") for key, item in given.items()}
        return None if len(self.faults) > before else self._checked(table, annotation, name)

    def _read_struct(self, value: object, kind: type[msgspec.Struct], name: str) -> Any:
        if isinstance(value, kind):
            return value
        if not isinstance(value, Mapping):
            return self._misfit(name, "write a table")
        table = cast("Mapping[object, object]", value)
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        before = len(self.faults)
        for key in (key for key in table if key not in fields):
            self.faults.append(Fault(f"{name}.{key}", unknown(str(key), fields, prefix=f"{name}.")))
        for field in fields.values():
            if field.required and field.name not in table:
                self.faults.append(Fault(f"{name}.{field.name}", f"is missing: write {self._expected(field)}"))
        values = {key: self.read(table[key], fields[key].type, f"{name}.{key}") for key in fields if key in table}
        if len(self.faults) > before:
            return None
        try:
            return kind(**values)
        except (ValueError, TypeError) as error:  # its own __post_init__
            return self._misfit(name, str(error))

    def _checked(self, value: object, annotation: Any, name: str) -> Any:
        """The list or dict as its declared type, with its bounds; what it holds has been read already."""
        try:
            return msgspec.convert(value, annotation, dec_hook=lambda _type, item: item)
        except msgspec.ValidationError:
            return self._misfit(name, f"write {expectation(annotation, sized=is_sized(name))}")

    def _expected(self, field: msgspec.structs.FieldInfo) -> str:
        return expectation(field.type, sized=is_sized(field.name))

    def _quotes(self, value: object, kind: Any) -> str:
        if self.text or isinstance(value, str) == (kind is str):
            return ""
        return ", in quotes" if kind is str else ", without quotes" if kind in (int, float, bool) else ""

    def _misfit(self, name: str, message: str) -> None:
        self.faults.append(Fault(name, f"does not fit: {message}"))


def unknown(name: str, known: Mapping[str, object], *, prefix: str = "", kind: str = "setting") -> str:
    """What to say of a name that is not known: the near one, or all there are."""
    if found := near(name, known):
        return f"is not a {kind}; did you mean {prefix}{found}?"
    return f"is not a {kind}; there are {', '.join(sorted(known)) or 'none here'}."


def _inside_secret(bare: Any) -> Any:
    return get_args(bare)[0] if get_args(bare) else str


def _parse_bool(text: str) -> bool:
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError("write true or false") from None


def _parse_path(text: str) -> Path:
    if not text:
        raise ValueError("write a path")
    return Path(text)


_TEXTS: dict[Any, Callable[[str], object]] = {timedelta: parse_duration, bool: _parse_bool, Path: _parse_path}
