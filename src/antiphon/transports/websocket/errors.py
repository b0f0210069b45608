"""The table from error to close code, for when an error ends the socket; otherwise it is a frame."""

from __future__ import annotations

from typing import Final

from antiphon.core.errors import (
    CallError,
    Conflict,
    Defect,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
)

CLOSE_CODES: dict[type[CallError] | type[Defect], int] = {
    InvalidInput: 4522,
    NotSignedIn: 4501,
    Forbidden: 4503,
    NotFound: 4504,
    Conflict: 4509,
    TooManyCalls: 4029,
    TooLarge: 1009,
    TimedOut: 4004,
    Unavailable: 1013,
    Defect: 1011,
}
"""Every error of calls. What belongs to sockets alone is below."""

BINARY: Final = 1003
RESTART: Final = 1012
SIGNED_OUT: Final = 1000
SILENT: Final = 4001
SLOW: Final = 4008
FLOOD: Final = CLOSE_CODES[TooManyCalls]
MALFORMED: Final = 4500
TOO_MANY: Final = CLOSE_CODES[Conflict]
MOVED: Final = 4002
"""The session goes on under a new id: the client comes back with it, and whoever had stolen the old one cannot."""

ENDED: Final = CLOSE_CODES[NotSignedIn]

OF_SOCKETS: Final = (BINARY, RESTART, SIGNED_OUT, SILENT, MOVED, SLOW, MALFORMED)
"""The codes that no error of a call has."""
