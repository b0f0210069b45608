"""What can go wrong in a call, told in the caller's terms; each transport has its own table of these."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One input that does not fit: its name on the wire, and what is wrong with it (never its value)."""

    name: str
    message: str


class CallError(Exception):
    """A condition that the caller is told: its type, a message, and the fields at fault if there are any."""

    type: ClassVar[str] = ""
    default: ClassVar[str] = ""

    def __init__(self, message: str | None = None, *, fields: Iterable[Fault] = ()) -> None:
        self.message = message or self.default
        self.fields = tuple(fields)
        super().__init__(self.message)


class InvalidInput(CallError):
    """The inputs do not fit; every field at fault is named and no value is echoed."""

    type = "INVALID_INPUT"
    default = "The inputs do not fit."

    def __init__(self, message: str | None = None, *, fields: Iterable[Fault] = ()) -> None:
        fields = tuple(fields)
        if message is None and fields:
            count = len(fields)
            message = "1 input does not fit." if count == 1 else f"{count} inputs do not fit."
        super().__init__(message, fields=fields)

    @classmethod
    def of(cls, name: str, message: str) -> InvalidInput:
        """The error for one input, by its name on the wire."""
        return cls(fields=[Fault(name, message)])


class NotSignedIn(CallError):
    """We do not know who the caller is, and the action asks for it."""

    type = "NOT_SIGNED_IN"
    default = "Sign in first."


class Forbidden(CallError):
    """We know who the caller is, and the answer is no."""

    type = "FORBIDDEN"
    default = "You may not do this."


class NotFound(CallError):
    """There is no such thing, or the caller may not know that there is."""

    type = "NOT_FOUND"
    default = "Not found."


class Conflict(CallError):
    """The world has moved on, or something unique is taken; `field` names the input to blame."""

    type = "CONFLICT"
    default = "This conflicts with what is there."

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message, fields=[Fault(field, message or self.default)] if field else ())


class _Later(CallError):
    """A condition that passes by itself; `retry_after` says when to ask again."""

    def __init__(self, message: str | None = None, *, retry_after: timedelta | float = 1.0) -> None:
        super().__init__(message)
        seconds = retry_after.total_seconds() if isinstance(retry_after, timedelta) else retry_after
        self.retry_after = max(0.0, seconds)


class TooManyCalls(_Later):
    """The caller is over a limit until `retry_after` seconds have passed."""

    type = "TOO_MANY_CALLS"
    default = "Too many calls. Slow down."


class TooLarge(CallError):
    """What was sent, or what it would cost, is over a bound."""

    type = "TOO_LARGE"
    default = "This is too large."


class TimedOut(CallError):
    """The call did not end within its time."""

    type = "TIMED_OUT"
    default = "This took too long."


class Unavailable(_Later):
    """A part that the call needs is away; it may work again in `retry_after` seconds."""

    type = "UNAVAILABLE"
    default = "This is not available right now. Try again soon."


class Defect(Exception):
    """Our own fault. The caller is told an id only; the log has the cause and its traceback."""

    type: ClassVar[str] = "DEFECT"
    message: ClassVar[str] = "Something went wrong on our side. The request id leads us to it."


class TransportFault(Exception):
    """A fault that a transport finds before there is a call, such as unreadable bytes. Core passes it on."""

    type: str = "MALFORMED"


class SetupError(Exception):
    """The application cannot start as it is written; the message says what to write instead."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__(problems[0] if len(problems) == 1 else "\n".join(f"- {problem}" for problem in problems))


CALL_ERRORS: tuple[type[CallError], ...] = (
    InvalidInput,
    NotSignedIn,
    Forbidden,
    NotFound,
    Conflict,
    TooManyCalls,
    TooLarge,
    TimedOut,
    Unavailable,
)
"""Every error a caller can be told, in the order of the tables that transports keep."""
