"""Says in words what fits an input, from its type alone: no message ever repeats what was sent."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec

from antiphon.core.inputs.kinds import Email, Upload
from antiphon.core.inputs.types import alternatives, is_struct, metas, plain
from antiphon.core.secrets import Secret

NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    bytes: "base64 text",
    dict: "an object",
    list: "a list",
    Email: "an email address",
    Upload: "a file",
    uuid.UUID: "a UUID",
    decimal.Decimal: "a decimal number",
    dt.datetime: "a time with its offset (RFC 3339)",
    dt.date: "a date (YYYY-MM-DD)",
    dt.time: "a time of day (RFC 3339)",
    dt.timedelta: "a duration (ISO 8601)",
}


def describe(annotation: Any) -> str:
    """What a value of this type is, such as `a whole number from 1 to 100`."""
    options = [option for option in alternatives(annotation) if plain(option) is not NoneType]
    outer = metas(annotation) if len(alternatives(annotation)) > 1 else ()
    return " or ".join(dict.fromkeys(_describe_one(option, outer) for option in options)) or "null"


def _describe_one(annotation: Any, outer: tuple[msgspec.Meta, ...]) -> str:
    bare = plain(annotation)
    bounds = (*outer, *metas(annotation))
    kind = get_origin(bare) or bare
    if bare is None:
        return "null"
    if kind is Secret:
        return describe(get_args(bare)[0]) if get_args(bare) else "text"
    if kind is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(bare))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    if is_struct(bare):
        return "an object"
    if kind in (list, set, frozenset, tuple):
        return "a list" + _length(bounds, "item")
    name = NAMES.get(kind, "what this input takes")
    if kind is str and (pattern := _bound(bounds, "pattern")) is not None:
        description = _bound(bounds, "description")
        return description or f"text that matches {pattern}"
    if kind in (str, bytes, dict):
        return name + _length(bounds, "character" if kind is str else "item")
    if kind in (int, float, decimal.Decimal):
        return name + _range(bounds)
    return name


def _bound(bounds: tuple[msgspec.Meta, ...], name: str) -> Any:
    return next((value for meta in bounds if (value := getattr(meta, name)) is not None), None)


def _length(bounds: tuple[msgspec.Meta, ...], unit: str) -> str:
    least, most = _bound(bounds, "min_length"), _bound(bounds, "max_length")
    if least and most is not None:
        return f" of {least} {unit}s" if least == most and least != 1 else f" of {least} to {most} {unit}s"
    if least:
        return f" of {least} {unit}{'s' * (least != 1)} or more"
    if most is not None:
        return f" of at most {most} {unit}{'s' * (most != 1)}"
    return ""


def _range(bounds: tuple[msgspec.Meta, ...]) -> str:
    ge, gt, le, lt = (_bound(bounds, name) for name in ("ge", "gt", "le", "lt"))
    low = f"from {ge}" if ge is not None else f"above {gt}" if gt is not None else ""
    high = f"to {le}" if le is not None else f"below {lt}" if lt is not None else ""
    if low.startswith("from") and high.startswith("to"):
        return f" {low} to {le}"
    if not low and le is not None:
        return f" of at most {le}"
    if ge is not None and not high:
        return f" of at least {ge}"
    multiple = _bound(bounds, "multiple_of")
    words = " and ".join(filter(None, (low, high, f"a multiple of {multiple}" if multiple is not None else "")))
    return f" {words}" if words else ""
