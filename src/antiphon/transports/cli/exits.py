"""The table from error to exit code."""

from __future__ import annotations

from antiphon.core.errors import (
    CallError,
    Conflict,
    Defect,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    SetupError,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
)

EXITS: dict[type[CallError] | type[Defect], int] = {
    InvalidInput: 2,
    NotSignedIn: 3,
    Forbidden: 4,
    NotFound: 5,
    Conflict: 6,
    TooManyCalls: 7,
    TooLarge: 8,
    TimedOut: 9,
    Unavailable: 10,
    Defect: 1,
}
SETUP = 78
INTERRUPTED = 130


def exit_code(error: BaseException) -> int:
    """The exit code for an error; what nobody foresaw is a defect."""
    if isinstance(error, SetupError):
        return SETUP
    return next((EXITS[kind] for kind in type(error).__mro__ if kind in EXITS), EXITS[Defect])
