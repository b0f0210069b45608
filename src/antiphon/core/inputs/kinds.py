"""The kinds of input and result that Python has no type for: Struct, Email, Time, Upload."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from email_validator import EmailNotValidError, validate_email


class Struct(msgspec.Struct, rename="camel"):
    """A record that crosses the wire: snake_case in Python, camelCase in JSON. Options are those of `msgspec.Struct`."""


type Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its offset from UTC (RFC 3339). A time without an offset is refused."""


class Email(str):
    """An email address, checked for its form (RFC 5321, 5322) and kept in lower case. Nothing is looked up."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Email:
        """The address in `value`. Raises ValueError, without the value, when it is none."""
        if not isinstance(value, str):
            raise ValueError("is not an email address")  # noqa: TRY004  # msgspec turns only ValueError into a fault
        try:
            return cls(validate_email(value, check_deliverability=False).normalized.lower())
        except EmailNotValidError:
            raise ValueError("is not an email address") from None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call, kept in temporary storage until the call ends.

    `name` is what the client called it, cleaned of paths and control characters; `type` is what the client said it is,
    and is not to be trusted; `sniffed` is what its first bytes say, or None; `sha256` is the hex digest of its bytes.
    """

    name: str
    type: str
    sniffed: str | None
    size_bytes: int
    sha256: str
    path: Path
