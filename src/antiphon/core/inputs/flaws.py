"""Finds what fits its type and is refused all the same: NUL, numbers that are not finite, and what is too much."""

# Whoever declares an input may say how much of it there may be. What nobody has bounded is bounded here, because it
# costs more further on than it cost to send: a text to store, a list with a query for each item, digits to multiply.

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from math import isfinite
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import astuple

from antiphon.core.errors import Fault
from antiphon.core.inputs.contents import MOST_DIGITS, Most
from antiphon.core.inputs.describe import describe
from antiphon.core.secrets import Secret

_CLEAN = (bool, type(None))
_USUAL = Most()
_LEAST_TOO_LONG = 10**MOST_DIGITS


def flaw_of(value: object, annotation: Any, name: str, most: Most = _USUAL) -> Fault | None:
    """The first flaw anywhere in a value that was read, as the fault of its input."""
    if value.__class__ in _CLEAN:
        return None
    for part in _parts(value):
        if isinstance(part, str):
            if "\0" in part:
                # PostgreSQL stores no NUL in text, and no honest client sends one.
                return Fault(name, "holds a NUL character")
            if len(part) > most.text:
                return Fault(name, f"is longer than {most.text:,} characters")
        elif isinstance(part, bytes):
            if len(part) > most.text:
                return Fault(name, f"is longer than {most.text:,} bytes")
        elif isinstance(part, int | float | Decimal):
            if not _finite(part):
                # JSON has no word for it: it could be taken and never given back.
                return Fault(name, f"is not {describe(annotation)}")
            if _is_too_long(part):
                return Fault(name, f"has more than {MOST_DIGITS} digits")
        elif len(part) > most.items:
            return Fault(name, f"has more than {most.items:,} items")
    return None


def _finite(number: float | Decimal) -> bool:
    if isinstance(number, int):
        # An int is never anything else, and asking fails for one that no float can hold.
        return True
    return number.is_finite() if isinstance(number, Decimal) else isfinite(number)


def _is_too_long(number: float | Decimal) -> bool:
    """Whether somebody who writes it out needs more digits than there may be; 1e999999 is six letters to send."""
    if isinstance(number, Decimal):
        return abs(number.adjusted()) >= MOST_DIGITS or len(number.as_tuple().digits) > MOST_DIGITS
    return isinstance(number, int) and abs(number) >= _LEAST_TOO_LONG


def _parts(value: object) -> Iterator[str | bytes | float | Decimal | Collection[object]]:
    """Every text, number and collection in a value, at any depth; a collection comes before its items."""
    if isinstance(value, str | bytes | int | float | Decimal):
        yield value
    elif isinstance(value, Secret):
        yield from _parts(cast("Secret[object]", value).reveal())
    elif isinstance(value, Struct):
        for part in astuple(value):
            yield from _parts(part)
    elif isinstance(value, dict):
        held = cast("dict[object, object]", value)
        yield held
        for key, part in held.items():
            yield from _parts(key)
            yield from _parts(part)
    elif isinstance(value, list | tuple | set | frozenset):
        items = cast("list[object]", value)
        yield items
        for part in items:
            yield from _parts(part)
