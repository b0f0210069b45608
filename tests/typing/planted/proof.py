"""Shows that the runner sees marked errors and nothing else: planted mistakes end with what pyright says of them."""

from __future__ import annotations


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


good: int = double(2)
bad: int = double("2")  # error: "Literal['2']" is not assignable to "int"
worse: str = double(  # error: "int" is not assignable to "str"
    2,
)
unknown = double(2).nothing  # error: reportAttributeAccessIssue
