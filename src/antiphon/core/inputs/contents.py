"""Looks once, at the start, at everything that a signature's inputs can hold, and says what can never be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from antiphon.core.inputs.kinds import Email, Upload
from antiphon.core.secrets import Secret

OWN_KINDS = (Email, Secret, Upload)


class Contents(NamedTuple):
    """What inputs hold that needs care, and what is wrong with them."""

    decimals: bool
    problems: tuple[str, ...]


def contents_of(struct: type[msgspec.Struct]) -> Contents:
    """Look into the Struct of an action's inputs, at any depth."""
    decimals, problems = False, dict[str, None]()
    for node, place in walk(inspect.type_info(struct)):
        if isinstance(node, inspect.DecimalType):
            decimals = True
        elif isinstance(node, inspect.CustomType) and node.cls not in OWN_KINDS:
            problems[f"{place} is a {node.cls.__name__}, which no text and no JSON can say. Use a Struct."] = None
        elif isinstance(node, inspect.DateTimeType) and node.tz is not True:
            problems[f"{place} is a time without an offset. Write `Time` instead of `datetime`."] = None
    return Contents(decimals, tuple(problems))


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
