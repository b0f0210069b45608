"""What stands at the start is left out of what the collector of cycles walks through, until that is taken back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from antiphon.core.heap import YOUNG_OBJECTS, settle


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The collector is everybody's, and looks as often as that of a new process."""
    thresholds = gc.get_threshold()
    gc.set_threshold(2000, 10, 10)
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Ring:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_left_out() -> None:
    """Cycles that are made later are found as before."""
    standing = Ring()
    unsettle = settle()

    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == YOUNG_OBJECTS
    assert not any(thing is standing for thing in gc.get_objects())
    Ring()
    assert gc.collect() >= 1

    unsettle()
    assert any(thing is standing for thing in gc.get_objects())


def test_everything_is_taken_back() -> None:
    """Nothing is left out any longer, and the collector looks as often as before."""
    gc.set_threshold(700, 5, 5)

    settle()()

    assert (gc.get_freeze_count(), gc.get_threshold()) == (0, (700, 5, 5))


@pytest.mark.parametrize("first", [0, 50_000])
def test_whoever_has_chosen_is_left_alone(first: int) -> None:
    """0 is never."""
    gc.set_threshold(first, 10, 10)

    settle()

    assert gc.get_threshold()[0] == first
