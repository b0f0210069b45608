"""Services and things of a call say what they give."""

from __future__ import annotations

from typing import Any

import pytest

from antiphon.core.errors import SetupError
from antiphon.core.service import scoped, service


class A:
    """Something that a service could give."""


async def no_iterator() -> A:
    return A()


def nothing() -> None: ...


def test_a_service_says_what_it_gives() -> None:
    """A service is found by what it yields, so it must say it."""
    mistaken: Any = no_iterator

    with pytest.raises(SetupError, match="must be `async def … -> AsyncIterator"):
        _ = service(mistaken).gives


def test_a_thing_of_the_call_says_what_it_is() -> None:
    """A scoped thing is found by what it returns, so it must return something."""
    with pytest.raises(SetupError, match="must say what it gives"):
        _ = scoped(nothing).gives
