"""Every error has its words in core and its row in every transport's table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from antiphon.core import errors
from antiphon.core.errors import (
    CALL_ERRORS,
    CallError,
    Conflict,
    Defect,
    Fault,
    InvalidInput,
    NotFound,
    SetupError,
    TooManyCalls,
    Unavailable,
)
from antiphon.transports.cli.exits import EXITS, INTERRUPTED, SETUP, exit_code
from antiphon.transports.http.errors import STATUS

TABLES: dict[str, Mapping[Any, int]] = {"http": STATUS, "cli": EXITS}


class StoreAway(Unavailable):
    """A condition of somebody's own."""


class Gone(NotFound):
    """Another."""


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_error_is_in_every_table(table: Mapping[Any, int]) -> None:
    """A transport that forgot an error would answer it as a defect."""
    assert set(table) == {*CALL_ERRORS, Defect}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_row_of_a_table_is_its_own(table: Mapping[Any, int]) -> None:
    """Whoever sees only the number knows which error it was."""
    assert len(set(table.values())) == len(table)


def test_every_error_of_core_is_listed() -> None:
    """An error that is added to core has to be added to the list that the tables are compared with."""
    public = {
        kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, CallError) and not name.startswith("_")
    }

    assert public - {CallError} == set(CALL_ERRORS)


@pytest.mark.parametrize("kind", CALL_ERRORS)
def test_every_error_has_its_words(kind: type[CallError]) -> None:
    """An error raised without a message still tells the caller a sentence."""
    error = kind()

    assert kind.type == kind.type.upper() != ""
    assert error.message == str(error) == kind.default
    assert kind.default.endswith(".")


def test_types_on_the_wire_are_distinct() -> None:
    """Clients tell errors apart by `type`."""
    assert len({kind.type for kind in (*CALL_ERRORS, Defect)}) == len(CALL_ERRORS) + 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Gone(), 5),
        (StoreAway(), 10),
        (Defect(), 1),
        (RuntimeError(), 1),
        (CallError("odd"), 1),
        (SetupError("x"), SETUP),
    ],
)
def test_a_subclass_has_the_exit_code_of_its_row(error: Exception, code: int) -> None:
    """A condition of one's own leaves as the condition it is a kind of; what nobody foresaw is a defect."""
    assert exit_code(error) == code


def test_no_error_leaves_as_a_success_or_an_interruption() -> None:
    """0 and 130 mean something else to a shell."""
    assert {0, SETUP, INTERRUPTED}.isdisjoint(EXITS.values())


def test_invalid_input_counts_its_faults() -> None:
    """One message for one fault, another for many."""
    faults = [Fault("a", "is missing"), Fault("b", "is missing")]

    assert InvalidInput(fields=faults[:1]).message == "1 input does not fit."
    assert InvalidInput(fields=faults).message == "2 inputs do not fit."
    assert InvalidInput.of("a", "is taken").fields == (Fault("a", "is taken"),)
    assert InvalidInput("The body is not a JSON object.").fields == ()


def test_a_conflict_names_the_input_to_blame() -> None:
    """`field=` puts the message beside the input; without it there is no field."""
    assert Conflict("Taken.", field="email").fields == (Fault("email", "Taken."),)
    assert Conflict("Taken.").fields == ()


@pytest.mark.parametrize(("given", "seconds"), [(5, 5.0), (timedelta(minutes=1), 60.0), (-1, 0.0)])
def test_retry_after_is_in_seconds(given: Any, seconds: float) -> None:
    """It may be given as a duration, and is never in the past."""
    assert TooManyCalls(retry_after=given).retry_after == seconds


def test_a_defect_says_nothing_of_its_cause() -> None:
    """Whatever went wrong, the caller reads the same sentence."""
    defect = Defect("password in SQL")

    assert "SQL" not in defect.message


def test_a_setup_error_lists_its_problems() -> None:
    """One problem is a sentence, several are a list."""
    assert str(SetupError("one")) == "one"
    assert str(SetupError("one", "two")) == "- one\n- two"
