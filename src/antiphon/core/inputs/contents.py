"""Looks once, at the start, at everything that a signature's inputs can hold, and says what can never be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from antiphon.core.inputs.kinds import Email, Upload
from antiphon.core.secrets import Secret

OWN_KINDS = (Email, Secret, Upload)


MOST_TEXT, MOST_ITEMS, MOST_DIGITS = 64 * 1024, 1_000, 100
"""What an input that says nothing itself may hold: characters of a text, items of a collection, digits of a number."""


class Most(NamedTuple):
    """The longest text and the largest collection that an input may hold, at any depth."""

    text: int = MOST_TEXT
    items: int = MOST_ITEMS


class Contents(NamedTuple):
    """What inputs hold that needs care, and what is wrong with them.

    In JSON of `quiet` bytes, or less, nothing can fit its type and be refused all the same, apart from NUL and, with
    `open_numbers`, whole numbers of more than MOST_DIGITS digits.
    """

    quiet: int
    open_numbers: bool
    problems: tuple[str, ...]


def contents_of(struct: type[msgspec.Struct]) -> Contents:
    """Look into the Struct of an action's inputs, at any depth."""
    quiet, open_numbers, problems = MOST_TEXT, False, dict[str, None]()
    for node, place in walk(inspect.type_info(struct)):
        quiet, open_numbers = min(quiet, _quiet(node)), open_numbers or _has_open_numbers(node)
        if isinstance(node, inspect.CustomType) and node.cls not in OWN_KINDS:
            problems[f"{place} is a {node.cls.__name__}, which no text and no JSON can say. Use a Struct."] = None
        elif isinstance(node, inspect.DateTimeType) and node.tz is not True:
            problems[f"{place} is a time without an offset. Write `Time` instead of `datetime`."] = None
    return Contents(quiet, open_numbers, tuple(problems))


def most_of(annotation: Any) -> Most:
    """What an input of this type may hold: more than usual only where a bound of its own says so."""
    text, items = MOST_TEXT, MOST_ITEMS
    for node, _ in walk(inspect.type_info(annotation)):
        own = getattr(node, "max_length", None) or 0
        if isinstance(node, inspect.StrType | inspect.BytesType):
            text = max(text, own)
        else:
            items = max(items, own)
    return Most(text, items)


def _quiet(node: inspect.Type) -> int:
    """The largest JSON in which nothing of this type is refused for more than its type."""
    if isinstance(node, inspect.DecimalType):
        return 0
    # Each item takes a byte and a comma; and anything may be a collection.
    many = isinstance(node, inspect.CollectionType | inspect.DictType | inspect.AnyType)
    return 2 * MOST_ITEMS if many else MOST_TEXT


def _has_open_numbers(node: inspect.Type) -> bool:
    """Whether whole numbers of any length fit it. Bounds of an int are within 64 bits."""
    if isinstance(node, inspect.IntType):
        return node.ge is node.gt is None or node.le is node.lt is None
    return isinstance(node, inspect.AnyType)


def walk(node: Any, place: str = "", seen: set[type] | None = None) -> Iterator[tuple[Any, str]]:
    """Every type within a type (as `msgspec.inspect` tells it), with the dotted name of where it stands."""
    seen = set[type]() if seen is None else seen
    yield node, place
    if isinstance(node, inspect.StructType | inspect.DataclassType | inspect.TypedDictType | inspect.NamedTupleType):
        if node.cls in seen:
            return
        seen.add(node.cls)
        for field in node.fields:
            yield from walk(field.type, f"{place}.{field.name}" if place else field.name, seen)
        return
    for name in ("type", "types", "item_type", "item_types", "key_type", "value_type"):
        held = getattr(node, name, None)
        for part in cast("tuple[Any, ...]", held if isinstance(held, tuple) else (held,)):
            if isinstance(part, inspect.Type):
                yield from walk(part, place, seen)
