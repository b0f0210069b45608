"""Every type of input, as JSON and as strings: what fits, and the words for what does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import UNSET, Meta, UnsetType

from antiphon.core.inputs.kinds import Email, Struct, Time
from antiphon.core.secrets import Secret
from tests.core.stage import from_json, json_faults, read_strings, string_faults, taking

type Password = Secret[Annotated[str, Meta(min_length=8, max_length=64)]]
type Page = Annotated[int, Meta(ge=1, le=100)]
type Many[T] = Annotated[list[T], Meta(max_length=3)]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Place(Struct):
    street_name: Annotated[str, Meta(min_length=2)]
    number: int
    floor: int | UnsetType = UNSET


class Order(Struct):
    place: Place
    lines: list[Annotated[int, Meta(ge=1)]]
    note: str | None = None


class Cat(Struct, tag_field="kind", tag="cat"):
    lives: int


class Dog(Struct, tag_field="kind", tag="dog"):
    barks: bool


class Box[T](Struct):
    held: T


class Tree(Struct):
    name: str
    branches: list[Tree] = []


JSON_FITS: Sequence[tuple[Any, object, object]] = [
    (str, "", ""),
    (int, 5, 5),
    (int, 2**80, 2**80),
    (float, 5, 5.0),
    (float, -1.5, -1.5),
    (bool, True, True),
    (int | None, None, None),
    (str | UnsetType, "x", "x"),
    (Literal["a", "b"], "a", "a"),
    (Colour, "red", Colour.RED),
    (Email, "Ada@Example.ORG", "ada@example.org"),
    (UUID, "0199a0ee-0000-7000-8000-000000000001", UUID("0199a0ee-0000-7000-8000-000000000001")),
    (Decimal, "1.50", Decimal("1.50")),
    (Decimal, 1.5, Decimal("1.5")),
    (date, "2026-01-02", date(2026, 1, 2)),
    (datetime, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (Time | None, "2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (timedelta, "PT90S", timedelta(seconds=90)),
    (bytes, "aGk=", b"hi"),
    (list[int], [1, 2], [1, 2]),
    (Many[int], [1, 2], [1, 2]),
    (set[str], ["a", "a"], {"a"}),
    (frozenset[Colour], ["blue"], frozenset({Colour.BLUE})),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (dict[str, list[Email]], {"a": ["A@b.org"]}, {"a": ["a@b.org"]}),
    (Page, 100, 100),
    (Place, {"streetName": "Rue", "number": 5}, Place("Rue", 5)),
    (Place, {"streetName": "Rue", "number": 5, "floor": 1}, Place("Rue", 5, 1)),
    (Box[int], {"held": 5}, Box(5)),
    (Cat | Dog, {"kind": "dog", "barks": True}, Dog(barks=True)),
    (list[Cat | Dog] | None, [{"kind": "cat", "lives": 9}], [Cat(9)]),
    (Tree, {"name": "a", "branches": [{"name": "b"}]}, Tree("a", [Tree("b")])),
    (Any, {"any": ["thing", 1]}, {"any": ["thing", 1]}),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), JSON_FITS)
def test_json_that_fits_is_read_as_the_declared_type(annotation: Any, sent: object, expected: object) -> None:
    """What JSON says in the declared type becomes a value of that type."""
    assert from_json(taking(annotation), {"value": sent}).value == expected


JSON_FAULTS: Sequence[tuple[Any, object, dict[str, str]]] = [
    (str, 5, {"value": "is not text"}),
    (int, "5", {"value": "is not a whole number"}),
    (int, 5.5, {"value": "is not a whole number"}),
    (int, True, {"value": "is not a whole number"}),
    (float, "5", {"value": "is not a number"}),
    (bool, "true", {"value": "is not true or false"}),
    (bool, 1, {"value": "is not true or false"}),
    (int, None, {"value": "is not a whole number"}),
    (str | UnsetType, None, {"value": "is not text"}),
    (Literal["a", "b"], "c", {"value": "is not one of a, b"}),
    (Colour, "green", {"value": "is not one of red, blue"}),
    (Email, "ada", {"value": "is not an email address"}),
    (Email | None, 5, {"value": "is not an email address"}),
    (UUID, "x", {"value": "is not a UUID"}),
    (Decimal, "NaN", {"value": "is not a decimal number"}),
    (list[Decimal], ["1", "-Infinity"], {"value": "is not a list"}),
    (date, "2026-13-01", {"value": "is not a date (YYYY-MM-DD)"}),
    (datetime, "2026-01-02T03:04:05", {"value": "is not a time with its offset (RFC 3339)"}),
    (Time | None, "2026-01-02T03:04:05", {"value": "is not a time with its offset (RFC 3339)"}),
    (list[Time], ["2026-01-02T03:04:05"], {"value.0": "is not a time with its offset (RFC 3339)"}),
    (list[int], ["1", 2, "3"], {"value.0": "is not a whole number", "value.2": "is not a whole number"}),
    (list[int], 5, {"value": "is not a list"}),
    (Many[int], [1, 2, 3, 4], {"value": "is not a list of at most 3 items"}),
    (tuple[int, ...], [1, "2"], {"value.1": "is not a whole number"}),
    (tuple[int, str], [1], {"value": "is not a list"}),
    (dict[str, int], {"a": "1", "b": 2, "c": None}, {"value.*": "is not a whole number"}),
    (Page, 0, {"value": "is not a whole number from 1 to 100"}),
    (
        Place,
        {"streetName": "R"},
        {"value.streetName": "is not text of 2 characters or more", "value.number": "is missing"},
    ),
    (Place, [], {"value": "is not an object"}),
    (
        Order,
        {"place": {"number": "5"}, "lines": [1, 0]},
        {
            "value.place.streetName": "is missing",
            "value.place.number": "is not a whole number",
            "value.lines.1": "is not a whole number of at least 1",
        },
    ),
    (Box[int], {"held": "5"}, {"value.held": "is not a whole number"}),
    (Cat | Dog, {"kind": "dog", "barks": "loud"}, {"value.barks": "is not true or false"}),
    (Cat | Dog, {"kind": "bird"}, {"value.kind": "is not one of cat, dog"}),
    (Cat | Dog, {"lives": 1}, {"value.kind": "is missing"}),
    (Cat | Dog | None, 5, {"value": "is not an object"}),
    (
        list[Cat | Dog],
        [{"kind": "cat"}, {"kind": "ox"}],
        {"value.0.lives": "is missing", "value.1.kind": "is not one of cat, dog"},
    ),
    (Tree, {"name": "a", "branches": [{"name": 1}]}, {"value.branches.0.name": "is not text"}),
    (int | str, [], {"value": "is not a whole number or text"}),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), JSON_FAULTS)
def test_json_never_changes_its_type(annotation: Any, sent: object, expected: dict[str, str]) -> None:
    """What JSON says in another type than the declared one is refused, in words that name the place at fault."""
    assert json_faults(taking(annotation), {"value": sent}) == expected


STRINGS_FIT: Sequence[tuple[Any, list[str], object]] = [
    (str, ["hi"], "hi"),
    (str, [""], ""),
    (str | None, ["5"], "5"),
    (int, ["5"], 5),
    (int, ["-5"], -5),
    (float, ["1e3"], 1000.0),
    (bool, ["true"], True),
    (bool, ["false"], False),
    (bool, ["1"], True),
    (bool, ["0"], False),
    (Colour, ["blue"], Colour.BLUE),
    (Literal[1, 2], ["2"], 2),
    (Email, ["A@B.org"], "a@b.org"),
    (Decimal, ["1.5"], Decimal("1.5")),
    (datetime, ["2026-01-02T03:04:05+00:00"], datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (list[int], ["1", "2"], [1, 2]),
    (list[int], ["1"], [1]),
    (set[Colour] | None, ["red", "red"], {Colour.RED}),
    (tuple[int, ...], ["3", "4"], (3, 4)),
    (Place, ['{"streetName": "Rue", "number": 5}'], Place("Rue", 5)),
    (dict[str, int] | None, ['{"a": 1}'], {"a": 1}),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), STRINGS_FIT)
def test_strings_are_read_as_the_declared_type(annotation: Any, sent: list[str], expected: object) -> None:
    """A string from a URL, a form or a flag becomes what the signature declares."""
    assert read_strings(taking(annotation), value=sent).value == expected


STRING_FAULTS: Sequence[tuple[Any, list[str], dict[str, str]]] = [
    (int, ["five"], {"value": "is not a whole number"}),
    (int, ["9" * 5_000], {"value": "is not a whole number"}),
    (float, ["nan"], {"value": "is not a number"}),
    (float, ["inf"], {"value": "is not a number"}),
    (float | None, ["-Infinity"], {"value": "is not a number"}),
    (float, ["1e400"], {"value": "is not a number"}),
    (list[float], ["1", "nan"], {"value": "is not a list"}),
    (Decimal, ["NaN"], {"value": "is not a decimal number"}),
    (Secret[float], ["nan"], {"value": "is not a number"}),
    (bool, ["yes"], {"value": "is not true or false"}),
    (int, ["1", "2"], {"value": "is given more than once"}),
    (str | None, ["a", "a"], {"value": "is given more than once"}),
    (datetime, ["2026-01-02T03:04:05"], {"value": "is not a time with its offset (RFC 3339)"}),
    (list[int], ["1", "x", "y"], {"value.1": "is not a whole number", "value.2": "is not a whole number"}),
    (list[str], ["a"] * 1_001, {"value": "has more than 1,000 values"}),
    (Place, ["{"], {"value": "is not an object written as JSON"}),
    (Place, ['{"streetName": "Rue", "number": "5"}'], {"value.number": "is not a whole number"}),
    (str, ["a\0b"], {"value": "holds a NUL character"}),
    (list[str], ["a", "a\0b"], {"value": "holds a NUL character"}),
    (dict[str, str], ['{"a": "\\u0000"}'], {"value": "holds a NUL character"}),
]


@pytest.mark.parametrize(("annotation", "sent", "expected"), STRING_FAULTS)
def test_strings_that_do_not_fit_are_refused(annotation: Any, sent: list[str], expected: dict[str, str]) -> None:
    """A string that is not what the signature declares is refused, in words that name the place at fault."""
    assert string_faults(taking(annotation), value=sent) == expected
