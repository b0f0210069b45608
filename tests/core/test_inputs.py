"""Inputs: where they come from, what fills them, and how every fault is told in one answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from antiphon.core.errors import InvalidInput
from antiphon.core.inputs.kinds import Email, Struct
from antiphon.core.inputs.schema import Given, MalformedJson
from antiphon.core.secrets import Secret
from tests.core.stage import faults_of, from_json, json_faults, read_strings, schema_of, string_faults, taking

type Password = Secret[Annotated[str, Meta(min_length=8, max_length=64)]]
type Page = Annotated[int, Meta(ge=1, le=100)]


class Place(Struct):
    street_name: Annotated[str, Meta(min_length=2)]
    number: int
    floor: int | UnsetType = UNSET


class Tree(Struct):
    name: str
    branches: list[Tree] = []


def test_a_thousand_values_of_one_name_are_taken() -> None:
    """An input takes up to a thousand strings under its name."""
    inputs = read_strings(taking(list[int]), value=["7"] * 1_000)

    assert inputs.value == [7] * 1_000


def test_an_empty_string_is_not_given_unless_the_input_is_text() -> None:
    """`?page=` is a page that nobody gave: the default counts."""
    inputs = read_strings(taking(int, 3), value=[""])

    assert inputs.value == 3


def test_an_empty_string_is_missing_where_nothing_else_is_there() -> None:
    """`?page=` without a default is told as missing, not as a bad number."""
    assert string_faults(taking(int), value=[""]) == {"value": "is missing"}


def everything(
    name: Annotated[str, Meta(min_length=2)],
    email: Email,
    password: Password,
    place: Place,
    page: Page = 1,
    tags: list[str] = [],  # noqa: B006  # the promise is that no call sees another's
    nick_name: str | UnsetType = UNSET,
) -> None: ...


EVERYTHING = schema_of(everything)
FITTING: dict[str, object] = {
    "name": "Ada",
    "email": "ADA@example.org",
    "password": "correct horse",
    "place": {"streetName": "Rue", "number": 5},
}


def test_every_field_at_fault_is_named_in_one_answer() -> None:
    """Who sends five faults hears of five faults, in the order of the signature."""
    sent = {"name": "A", "email": "x", "password": "short", "place": {"number": "5"}, "page": 101, "tags": [1]}

    faults = json_faults(EVERYTHING, sent)

    assert list(faults) == ["name", "email", "password", "place.streetName", "place.number", "page", "tags.0"]


def test_missing_and_bad_inputs_are_told_together() -> None:
    """What is missing is told beside what does not fit."""
    faults = json_faults(EVERYTHING, {"name": "A"})

    assert faults == {
        "name": "is not text of 2 characters or more",
        "email": "is missing",
        "password": "is missing",
        "place": "is missing",
    }


def test_defaults_fill_what_nobody_gave() -> None:
    """An input with a default may be left out; UNSET tells that it was."""
    inputs = from_json(EVERYTHING, FITTING)

    assert (inputs.page, inputs.tags, inputs.nick_name) == (1, [], UNSET)


def test_a_list_as_a_default_is_fresh_for_every_call() -> None:
    """What one call does to its default no other call sees."""
    from_json(EVERYTHING, FITTING).tags.append("mine")

    assert from_json(EVERYTHING, FITTING).tags == []


def test_names_are_camel_case_on_the_wire() -> None:
    """`nick_name` is `nickName` in JSON, and only that."""
    inputs = from_json(EVERYTHING, {**FITTING, "nickName": "Countess", "nick_name": "dropped"})

    assert inputs.nick_name == "Countess"


def test_unknown_names_are_dropped() -> None:
    """A name that the signature does not know reaches nobody."""
    assert from_json(EVERYTHING, {**FITTING, "admin": True}) == from_json(EVERYTHING, FITTING)


def test_an_email_is_kept_in_lower_case() -> None:
    """One address is one text, however it was typed."""
    email = from_json(EVERYTHING, FITTING).email

    assert isinstance(email, Email)
    assert email == "ada@example.org"


def test_a_secret_is_bounded_and_masked() -> None:
    """Bounds inside `Secret` are checked, and what was read shows itself to nobody."""
    inputs = from_json(EVERYTHING, FITTING)

    assert inputs.password == Secret("correct horse")
    assert "horse" not in repr(inputs)


def test_a_secret_that_does_not_fit_is_told_by_its_bounds() -> None:
    """The message for a short password says what fits and nothing of what was sent."""
    assert json_faults(EVERYTHING, {**FITTING, "password": "pass"}) == {"password": "is not text of 8 to 64 characters"}


def test_a_secret_is_not_read_where_secrets_may_not_stand() -> None:
    """A password in a query is as good as none."""
    source = Given({**FITTING}, secrets=False)

    with pytest.raises(InvalidInput) as caught:
        EVERYTHING.gather(source)

    assert faults_of(caught.value) == {"password": "is missing"}


def test_the_first_source_that_has_an_input_gives_it() -> None:
    """An input in two sources is taken from the first, and never merged."""
    schema = taking(list[int])

    inputs: Any = schema.gather(Given({"value": [1]}), Given({"value": ["2"]}, strings=True))

    assert inputs.value == [1]


def test_strings_fill_only_what_the_body_left_out() -> None:
    """The query adds what the body does not have; it replaces nothing and is not asked for secrets."""
    inputs: Any = EVERYTHING.begin(b'{"name": "Ada", "page": 5}')

    EVERYTHING.fill(inputs, {"page": ["6"], "email": ["a@b.org"], "password": ["correct horse"], "other": ["x"]})

    assert (inputs.name, inputs.page, inputs.email) == ("Ada", 5, "a@b.org")
    with pytest.raises(InvalidInput) as caught:
        EVERYTHING.completed(inputs)
    assert faults_of(caught.value) == {"password": "is missing", "place": "is missing"}


@pytest.mark.parametrize("body", [b"", b"{", b'{"value": nope}', b"\xff", b'{"value": "\xff"}', b"[" * 100_000])
def test_what_is_no_json_is_told_apart(body: bytes) -> None:
    """Bytes that are no JSON are another fault than JSON that does not fit."""
    with pytest.raises(MalformedJson):
        taking(Any).from_json(body)


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null", b"1e400", b"[1e400]"])
def test_json_that_is_no_object_is_refused_as_a_whole(body: bytes) -> None:
    """Inputs are an object: a list, a text or a number as the body is told so."""
    with pytest.raises(InvalidInput, match="not a JSON object"):
        taking(Any).from_json(body)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5_000])
def test_a_number_out_of_range_is_the_fault_of_its_input(number: str) -> None:
    """A number that nothing can hold is JSON all the same: its input is named, and unknown ones are dropped."""
    schema = taking(float)

    with pytest.raises(InvalidInput) as caught:
        schema.from_json(f'{{"value": {number}, "other": {number}}}'.encode())

    assert faults_of(caught.value) == {"value": "holds a number out of range"}


def test_a_number_out_of_range_under_an_unknown_name_is_dropped() -> None:
    """What nobody reads cannot be at fault."""
    inputs: Any = taking(int).from_json(b'{"value": 5, "other": 1e400}')

    assert inputs.value == 5


def test_of_a_repeated_json_name_the_last_counts() -> None:
    """`{"value": …, "value": 5}` is 5, whatever the first was."""
    inputs: Any = taking(int).from_json(b'{"value": "x", "value": 5}')

    assert inputs.value == 5


NULS: Sequence[tuple[Any, object]] = [
    (str, "a\0b"),
    (Any, {"deep": [{"\0": 1}]}),
    (Place, {"streetName": "a\0b", "number": 1}),
    (list[Place], [{"streetName": "a\0b", "number": 1}]),
    (Secret[str], "a\0b"),
    (tuple[str, ...], ["\0"]),
    (set[str], ["\0"]),
]


@pytest.mark.parametrize(("annotation", "sent"), NULS)
def test_nul_is_refused_at_any_depth(annotation: Any, sent: object) -> None:
    """No text with the character NUL reaches an action, wherever it stands."""
    assert json_faults(taking(annotation), {"value": sent}) == {"value": "holds a NUL character"}


def test_the_letters_of_an_escape_are_no_nul() -> None:
    r"""The text `\u0000`, written out, is six letters like any others."""
    assert from_json(taking(str), {"value": "\\u0000"}).value == "\\u0000"


def test_a_list_of_bad_items_names_a_hundred_at_most() -> None:
    """An answer stays small, however much was wrong."""
    assert len(json_faults(taking(list[int]), {"value": ["x"] * 10_000})) == 100


def test_json_deeper_than_any_stack_is_refused() -> None:
    """Nesting without end is a fault of the sender, not a crash."""
    with pytest.raises((InvalidInput, MalformedJson)):
        taking(Tree).from_json(b'{"value": {"name": "a", "branches": [' * 20_000)


def test_python_values_are_checked_as_strictly_as_json() -> None:
    """A call made in Python is checked like one that was sent."""
    with pytest.raises(InvalidInput) as caught:
        taking(int).from_python({"value": "5"})

    assert faults_of(caught.value) == {"value": "is not a whole number"}


def test_python_values_may_be_what_reading_gives() -> None:
    """What was read once can be given again: Structs, secrets, addresses and times stay what they are."""
    inputs = from_json(EVERYTHING, FITTING)

    again = EVERYTHING.from_python(msgspec.structs.asdict(inputs))

    assert again == inputs


def test_a_python_number_that_is_not_finite_is_refused() -> None:
    """NaN has no form in JSON: a call with it could be made and never stored."""
    with pytest.raises(InvalidInput):
        taking(float).from_python({"value": float("nan")})


def test_an_unknown_python_name_is_a_type_error() -> None:
    """In Python a wrong name is the programmer's mistake, as with any function."""
    with pytest.raises(TypeError, match="has no input 'nome'"):
        EVERYTHING.from_python({"nome": "Ada"})
