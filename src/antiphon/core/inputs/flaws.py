"""Finds what fits its type and is refused all the same: the character NUL, and numbers that are not finite."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import isfinite
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import astuple

from antiphon.core.errors import Fault
from antiphon.core.inputs.describe import describe
from antiphon.core.secrets import Secret

_CLEAN = (bool, int, type(None))


def flaw_of(value: object, annotation: Any, name: str) -> Fault | None:
    """The first flaw anywhere in a value that was read, as the fault of its input."""
    if value.__class__ in _CLEAN:
        return None
    for leaf in _leaves(value):
        if isinstance(leaf, str):
            if "\0" in leaf:
                # PostgreSQL stores no NUL in text, and no honest client sends one.
                return Fault(name, "holds a NUL character")
        elif not _finite(leaf):
            # JSON has no word for it: it could be taken and never given back.
            return Fault(name, f"is not {describe(annotation)}")
    return None


def _finite(leaf: float | Decimal) -> bool:
    return leaf.is_finite() if isinstance(leaf, Decimal) else isfinite(leaf)


def _leaves(value: object) -> Iterator[str | float | Decimal]:
    """Every text and every number with a point in a value, at any depth."""
    if isinstance(value, str | float | Decimal):
        yield value
    elif isinstance(value, Secret):
        yield from _leaves(cast("Secret[object]", value).reveal())
    elif isinstance(value, Struct):
        for part in astuple(value):
            yield from _leaves(part)
    elif isinstance(value, dict):
        for key, part in cast("dict[object, object]", value).items():
            yield from _leaves(key)
            yield from _leaves(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in cast("list[object]", value):
            yield from _leaves(part)
