"""Words for what fits an input: exact, from the type alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta

from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.kinds import Email, Struct, Time, Upload
from antiphon.core.secrets import Secret


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    barks: bool


type Short = Annotated[str, Meta(max_length=5)]
type Some[T] = Annotated[list[T], Meta(min_length=1)]

WORDS: Sequence[tuple[Any, str]] = [
    (str, "text"),
    (Short, "text of at most 5 characters"),
    (Short | None, "text of at most 5 characters"),
    (Annotated[str, Meta(max_length=1)], "text of at most 1 character"),
    (Annotated[str, Meta(min_length=1)], "text of 1 character or more"),
    (Annotated[str, Meta(min_length=2)], "text of 2 characters or more"),
    (Annotated[str, Meta(min_length=2, max_length=9)], "text of 2 to 9 characters"),
    (Annotated[str, Meta(min_length=6, max_length=6)], "text of 6 characters"),
    (Annotated[str, Meta(pattern="^a+$")], "text that matches ^a+$"),
    (Annotated[str, Meta(pattern="^a+$", description="letters a")], "letters a"),
    (Annotated[str | None, Meta(max_length=5)], "text of at most 5 characters"),
    (int, "a whole number"),
    (Annotated[int, Meta(ge=1)], "a whole number of at least 1"),
    (Annotated[int, Meta(le=9)], "a whole number of at most 9"),
    (Annotated[int, Meta(ge=1, le=9)], "a whole number from 1 to 9"),
    (Annotated[int, Meta(gt=1)], "a whole number above 1"),
    (Annotated[int, Meta(gt=1, lt=9)], "a whole number above 1 and below 9"),
    (Annotated[float, Meta(ge=0, lt=1)], "a number from 0 and below 1"),
    (Annotated[int, Meta(multiple_of=5)], "a whole number a multiple of 5"),
    (float, "a number"),
    (bool, "true or false"),
    (Decimal, "a decimal number"),
    (bytes, "base64 text"),
    (Email, "an email address"),
    (Email | None, "an email address"),
    (Upload, "a file"),
    (UUID, "a UUID"),
    (date, "a date (YYYY-MM-DD)"),
    (datetime, "a time with its offset (RFC 3339)"),
    (Time, "a time with its offset (RFC 3339)"),
    (time, "a time of day (RFC 3339)"),
    (timedelta, "a duration (ISO 8601)"),
    (Literal["a", "b"], "one of a, b"),
    (Colour, "one of red, blue"),
    (Level, "one of 1, 2"),
    (Secret[Annotated[str, Meta(min_length=8)]], "text of 8 characters or more"),
    (Secret[bytes], "base64 text"),
    (Cat, "an object"),
    (Cat | Dog | None, "an object"),
    (dict[str, int], "an object"),
    (list[int], "a list"),
    (Some[int], "a list of 1 item or more"),
    (Annotated[list[int], Meta(max_length=3)], "a list of at most 3 items"),
    (tuple[int, str], "a list"),
    (int | str, "a whole number or text"),
    (list[int] | int | None, "a list or a whole number"),
    (None, "null"),
]


@pytest.mark.parametrize(("annotation", "words"), WORDS)
def test_a_type_is_described_in_words(annotation: Any, words: str) -> None:
    """The words follow "is not" in a fault, and say what would fit."""
    assert describe(annotation) == words
