"""What holds for every input: no fault repeats what was sent, and whatever fits the type survives the wire."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from antiphon.core.errors import CallError
from antiphon.core.inputs.kinds import Email, Struct, Time
from antiphon.core.inputs.schema import MalformedJson, Schema
from antiphon.core.inputs.types import encode_kind
from antiphon.core.secrets import Secret
from antiphon.core.signature import read_signature
from tests.core.stage import read_strings


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Point(Struct):
    x_axis: float
    name: str | None = None


class Circle(Struct, tag=True):
    centre: Point


class Square(Struct, tag=True):
    corners: list[Point]


def flat(
    text: str,
    whole: Annotated[int, Meta(ge=-(2**60), le=2**60)],
    number: float,
    flag: bool,
    size: Size,
    id: UUID,
    amount: Decimal,
    day: date,
    at: Time,
    span: timedelta,
    mail: Email | None = None,
    tags: list[int] | None = None,
    code: Annotated[str, Meta(max_length=5)] | UnsetType = UNSET,
) -> None: ...


def deep(
    points: dict[str, Point], shape: Circle | Square, many: list[Circle | Square | None], pair: tuple[int, str]
) -> None: ...


FLAT = Schema("test:flat", read_signature(flat).parameters)
DEEP = Schema("test:deep", read_signature(deep).parameters)


class Login(Struct):
    mail: Email
    word: Secret[Annotated[str, Meta(min_length=5, max_length=6, pattern="^[0-9]+$")]]


def strict(
    login: Login,
    shape: Circle | Square,
    size: Size,
    at: Time,
    tags: list[Annotated[int, Meta(ge=1)]],
    table: dict[str, int],
) -> None: ...


STRICT = Schema("test:strict", read_signature(strict).parameters)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(Point, numbers, st.none() | texts)
shapes = st.builds(Circle, points) | st.builds(Square, st.lists(points, max_size=3))

flat_values = st.fixed_dictionaries(
    {
        "text": texts,
        "whole": st.integers(-(2**60), 2**60),
        "number": numbers,
        "flag": st.booleans(),
        "size": st.sampled_from(Size),
        "id": st.uuids(),
        "amount": st.decimals(allow_nan=False, allow_infinity=False, places=3),
        "day": st.dates(),
        "at": st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001  # the bounds of the strategy are naive
        "span": st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    },
    optional={
        "mail": st.sampled_from([Email("ada@example.org"), None]),
        "tags": st.lists(st.integers(-5, 2**40), min_size=1, max_size=5),
        "code": st.text("abc", max_size=5, min_size=1),
    },
)
deep_values = st.fixed_dictionaries(
    {
        "points": st.dictionaries(texts, points, max_size=3),
        "shape": shapes,
        "many": st.lists(st.none() | shapes, max_size=3),
        "pair": st.tuples(st.integers(-5, 5), texts),
    }
)


def as_text(value: object) -> str:
    """A value as it stands in a URL."""
    encoded = msgspec.to_builtins(value, enc_hook=encode_kind)
    return encoded if isinstance(encoded, str) else json.dumps(encoded)


@given(flat_values)
def test_whatever_fits_goes_through_json_and_back(values: dict[str, object]) -> None:
    """A call that was checked can be written as JSON and read again as the same call."""
    inputs = FLAT.from_python(values)

    assert FLAT.from_json(msgspec.json.encode(inputs, enc_hook=encode_kind)) == inputs


@given(deep_values)
def test_whatever_is_nested_goes_through_json_and_back(values: dict[str, object]) -> None:
    """Structs, unions and collections of them are read as what they were written from."""
    inputs = DEEP.from_python(values)

    assert DEEP.from_json(msgspec.json.encode(inputs, enc_hook=encode_kind)) == inputs


@given(flat_values)
def test_whatever_fits_goes_through_strings_and_back(values: dict[str, object]) -> None:
    """A call that was checked can be written as a query and read again as the same call."""
    inputs = FLAT.from_python({name: value for name, value in values.items() if value is not None})
    sent = {
        field.wire: [*map(as_text, value)] if isinstance(value, list) else [as_text(value)]  # pyright: ignore[reportUnknownArgumentType]  # any list
        for field in FLAT.fields
        if (value := getattr(inputs, field.name)) is not UNSET and value is not None
    }

    assert read_strings(FLAT, **sent) == inputs


SENTINEL = "qzx7431qzx"
"""What no message would say by itself."""

hostile_leaves = st.sampled_from(
    [SENTINEL, f"{SENTINEL}@", f"2026-{SENTINEL}", f"\0{SENTINEL}", 74317431, -74317431, 7431.7431, None, True]
)
hostile = st.recursive(
    hostile_leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([SENTINEL, "type", "mail", "word", "centre", "corners", "xAxis", "name"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def said(schema: Schema, read: Any) -> str:
    """Everything that the caller would be told."""
    try:
        read()
    except CallError as error:
        return "\n".join([error.message, str(error), *(f"{fault.name} {fault.message}" for fault in error.fields)])
    except MalformedJson as error:
        return str(error)
    return ""


@given(
    st.dictionaries(st.sampled_from(["login", "shape", "size", "at", "tags", "table", SENTINEL]), hostile, max_size=6)
)
def test_no_fault_in_json_repeats_what_was_sent(sent: dict[str, object]) -> None:
    """Neither a value nor a key that the caller chose comes back in a message."""
    told = said(STRICT, lambda: STRICT.from_json(json.dumps(sent).encode()))

    assert SENTINEL not in told
    assert "7431" not in told


@given(
    st.dictionaries(
        st.sampled_from(["login", "shape", "size", "at", "tags", "table", SENTINEL]),
        st.lists(hostile_leaves.map(str) | hostile.map(json.dumps), min_size=1, max_size=3),
        max_size=6,
    )
)
def test_no_fault_in_strings_repeats_what_was_sent(sent: dict[str, list[str]]) -> None:
    """Neither a string nor a part of one comes back in a message."""
    told = said(STRICT, lambda: read_strings(STRICT, **sent))

    assert SENTINEL not in told
    assert "7431" not in told


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | hostile.map(lambda value: json.dumps(value).encode())
)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No body makes reading fail in another way than the two that transports know."""
    said(DEEP, lambda: DEEP.from_json(body))
