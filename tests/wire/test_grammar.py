"""Header grammar: quoted strings hide separators, and what is malformed is said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.grammar import is_token, read_parameters, read_value, read_weight, split_outside_quotes


def test_a_separator_inside_quotes_separates_nothing() -> None:
    """Commas inside quoted strings, also after an escaped quote, belong to their piece."""
    assert split_outside_quotes(r'a="1,2", b="\",", c', ",") == ['a="1,2"', r'b="\","', "c"]


def test_a_quote_that_never_closes_keeps_the_rest() -> None:
    """An open quote swallows what follows, so that nothing behind it is read as a piece of its own."""
    assert split_outside_quotes('a, b=", c', ",") == ["a", 'b=", c']


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_a_quoted_string_says_what_was_quoted(text: str) -> None:
    """Quoting and reading gives the text again."""
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert read_value(quoted) == text


@pytest.mark.parametrize("text", ["", 'a"b', '"a', '"', "a b", '"a\x00"', '"a" b'])
def test_neither_token_nor_quoted_string_is_nothing(text: str) -> None:
    """A value that is neither is None, never a guess."""
    assert read_value(text) is None


def test_parameters_are_read_by_lower_case_name() -> None:
    """Names are read in any case, values keep theirs, and empty pieces are allowed."""
    assert read_parameters(["Charset=UTF-8", "", 'title="a b"']) == {"charset": "UTF-8", "title": "a b"}


@pytest.mark.parametrize("pieces", [["a"], ["a="], ["=b"], ["a =b"], ["a=1", "A=2"]])
def test_malformed_and_repeated_parameters_are_refused(pieces: list[str]) -> None:
    """A parameter without a value or with a second one makes all of them unreadable."""
    assert read_parameters(pieces) is None


@pytest.mark.parametrize(("text", "weight"), [("1", 1), ("0", 0), ("0.5", 0.5), ("1.000", 1), ("0.", 0), (".2", 0.2)])
def test_weights_are_read(text: str, weight: float) -> None:
    """A weight is a number from 0 to 1."""
    assert read_weight(text) == weight


@pytest.mark.parametrize("text", ["", ".", "2", "1.1", "-1", "+1", "1e0", "nan", "0,5", "½", "\u0660"])
def test_what_is_no_weight_is_refused(text: str) -> None:
    """Anything Python would read as a float, but the RFC would not, is None."""
    assert read_weight(text) is None


def test_tokens_are_told_from_other_text() -> None:
    """A token has no space, no separator and no letter beyond ASCII."""
    assert is_token("x-a.b!")
    assert not any(map(is_token, ["", "a b", "a:b", "a\n", "ä", 'a"']))
