"""The kinds of input and result that Python has no type for: Struct, Email, Time, Upload."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, dataclass_transform

import msgspec
from email_validator import EmailNotValidError, validate_email


@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class ValueMeta(msgspec.StructMeta):
    """What makes a class of values; it tells type checkers that they are frozen without saying so each time."""


class Struct(msgspec.Struct, metaclass=ValueMeta, rename="camel", frozen=True):
    """A value that crosses the wire: snake_case in Python, camelCase in JSON, frozen like every value."""


type Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment with its offset from UTC (RFC 3339). A time without an offset is refused."""


class Email(str):
    """An email address, checked for its form (RFC 5321, 5322) and kept in lower case. Nothing is looked up."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> Email:
        """The address in `value`. Raises ValueError, without the value, when it is none."""
        if not isinstance(value, str):
            raise ValueError("is not an email address")
        try:
            return cls(validate_email(value, check_deliverability=False).normalized.lower())
        except EmailNotValidError:
            raise ValueError("is not an email address") from None


class Upload:
    """A file that came with a call, kept in temporary storage until the call ends.

    `name` is what the client called it, cleaned of paths and control characters; `type` is what the client said it is,
    and is not to be trusted; `sniffed` is what its first bytes say, or None; `sha256` is the hex digest of its bytes.
    """

    # No dataclass and no Struct: a decoder would take those from JSON, and so let a client name a path of ours.
    __slots__ = ("name", "path", "sha256", "size_bytes", "sniffed", "type")

    def __init__(self, name: str, type: str, sniffed: str | None, size_bytes: int, sha256: str, path: Path) -> None:
        self.name = name
        self.type = type
        self.sniffed = sniffed
        self.size_bytes = size_bytes
        self.sha256 = sha256
        self.path = path

    def __repr__(self) -> str:
        return f"<upload {self.name!r}, {self.size_bytes} bytes>"
