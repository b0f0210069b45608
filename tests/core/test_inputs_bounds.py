"""What an input may hold when nobody has said how much: texts, collections and digits, at any depth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from antiphon.core.errors import InvalidInput
from antiphon.core.inputs.contents import MOST_DIGITS, MOST_ITEMS, MOST_TEXT
from antiphon.core.inputs.kinds import Struct
from antiphon.core.inputs.schema import has_long_number
from antiphon.core.secrets import Secret
from tests.core.stage import faults_of, from_json, json_faults, read_strings, schema_of, string_faults, taking

LONG = "a" * MOST_TEXT
MANY = [1] * MOST_ITEMS
WIDE = 10**MOST_DIGITS - 1


class Line(Struct):
    """Something with parts that say nothing of their size."""

    text: str = ""
    items: list[int] = []
    number: int = 0
    amount: Decimal = Decimal(0)


type Essay = Annotated[str, Meta(max_length=2 * MOST_TEXT)]
type Crowd = Annotated[list[int], Meta(max_length=2 * MOST_ITEMS)]
type Small = Annotated[str, Meta(max_length=3)]

TEXTS: Sequence[tuple[Any, Any, Any]] = [
    (str, LONG, LONG + "a"),
    (Secret[str], LONG, LONG + "a"),
    (Line, {"text": LONG}, {"text": LONG + "a"}),
    (dict[str, str], {LONG: ""}, {LONG + "a": ""}),
    (Any, [LONG], [LONG + "a"]),
]


@pytest.mark.parametrize(("annotation", "fits", "over"), TEXTS)
def test_a_text_has_a_bound(annotation: Any, fits: Any, over: Any) -> None:
    """A text of 64 Ki characters is taken, and one more is refused, wherever it stands."""
    from_json(taking(annotation), {"value": fits})

    assert json_faults(taking(annotation), {"value": over}) == {"value": "is longer than 65,536 characters"}


COLLECTIONS: Sequence[tuple[Any, Any, Any]] = [
    (list[int], MANY, [*MANY, 1]),
    (tuple[int, ...], MANY, [*MANY, 1]),
    (set[int], [*range(MOST_ITEMS)], [*range(MOST_ITEMS + 1)]),
    (dict[str, int], dict.fromkeys(map(str, range(MOST_ITEMS)), 1), dict.fromkeys(map(str, range(MOST_ITEMS + 1)), 1)),
    (Line, {"items": MANY}, {"items": [*MANY, 1]}),
    (list[list[int]], [MANY], [[*MANY, 1]]),
    (Any, {"deep": MANY}, {"deep": [*MANY, 1]}),
]


@pytest.mark.parametrize(("annotation", "fits", "over"), COLLECTIONS)
def test_a_collection_has_a_bound(annotation: Any, fits: Any, over: Any) -> None:
    """A thousand items are taken, and one more is refused, wherever they stand."""
    from_json(taking(annotation), {"value": fits})

    assert json_faults(taking(annotation), {"value": over}) == {"value": "has more than 1,000 items"}


NUMBERS: Sequence[tuple[Any, str, str]] = [
    (int, f"{WIDE}", f"{WIDE + 1}"),
    (int, f"-{WIDE}", f"-{WIDE + 1}"),
    (Decimal, f"{WIDE}", f"{WIDE}.5"),
    (Decimal, "1e99", "1e100"),
    (Decimal, "1e-99", "1e-100"),
    (Decimal, "1e99", "1e300"),
    (Line, f'{{"number": {WIDE}}}', f'{{"number": {WIDE + 1}}}'),
    (Line, '{"amount": 1e99}', '{"amount": 1e100}'),
    (list[int], f"[{WIDE}]", f"[{WIDE + 1}]"),
    (Any, f'{{"deep": {WIDE}}}', f'{{"deep": {WIDE + 1}}}'),
]


@pytest.mark.parametrize(("annotation", "fits", "over"), NUMBERS)
def test_digits_have_a_bound(annotation: Any, fits: str, over: str) -> None:
    """A hundred digits are taken, and one more is refused; an exponent writes digits as well."""
    taking(annotation).from_json(b'{"value": %s}' % fits.encode())

    with pytest.raises(InvalidInput) as caught:
        taking(annotation).from_json(b'{"value": %s}' % over.encode())

    assert faults_of(caught.value) == {"value": "has more than 100 digits"}


def test_the_same_bounds_hold_for_strings() -> None:
    """A query, a form and a command line bring no more than JSON does."""
    assert read_strings(taking(str), value=[LONG]).value == LONG
    assert string_faults(taking(str), value=[LONG + "a"]) == {"value": "is longer than 65,536 characters"}
    assert read_strings(taking(int), value=[str(WIDE)]).value == WIDE
    assert string_faults(taking(int), value=[str(WIDE + 1)]) == {"value": "has more than 100 digits"}
    assert string_faults(taking(Decimal), value=["1e100"]) == {"value": "has more than 100 digits"}
    assert string_faults(taking(list[str]), value=[LONG + "a"]) == {"value": "is longer than 65,536 characters"}


def test_the_same_bounds_hold_for_calls_made_in_python() -> None:
    """A call that was kept, or made by code, is checked like one that was sent."""
    with pytest.raises(InvalidInput) as caught:
        taking(list[int]).from_python({"value": [*MANY, 1]})

    assert faults_of(caught.value) == {"value": "has more than 1,000 items"}


def test_an_input_that_says_more_may_hold_more() -> None:
    """A bound of its own counts, whether it is wider or narrower."""
    assert len(from_json(taking(Essay), {"value": 2 * LONG}).value) == 2 * MOST_TEXT
    assert len(from_json(taking(Crowd), {"value": 2 * MANY}).value) == 2 * MOST_ITEMS
    assert json_faults(taking(Essay), {"value": 2 * LONG + "a"}).keys() == {"value"}
    assert json_faults(taking(Small), {"value": "abcd"}).keys() == {"value"}


def two(essay: Essay, note: str) -> None: ...


def test_what_one_input_may_hold_no_other_does() -> None:
    """A wide bound of one input leaves those beside it as they are."""
    assert json_faults(schema_of(two), {"essay": 2 * LONG, "note": LONG + "a"}) == {
        "note": "is longer than 65,536 characters"
    }


@given(st.lists(st.tuples(st.integers(0, 2 * MOST_DIGITS + 3), st.sampled_from([b"", b"x", b'","'])), max_size=5))
def test_long_numbers_are_found_wherever_they_stand(runs: list[tuple[int, bytes]]) -> None:
    """More digits than there may be, in a row, and nothing else."""
    data = b"".join(b"7" * length + between for length, between in runs)

    assert has_long_number(data) is (re.search(rb"[0-9]{%d}" % (MOST_DIGITS + 1), data) is not None)
