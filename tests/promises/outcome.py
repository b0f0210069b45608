"""What became of a call, in the words that all transports share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of a call: a result as JSON or bytes, or the type of an error and the inputs it names."""

    result: Any = None
    error: str | None = None
    fields: tuple[str, ...] = ()
    message: str = ""


def refused(error: Mapping[str, Any]) -> Outcome:
    """The outcome that an error object tells."""
    fields = tuple(field["name"] for field in error.get("fields", ()))
    return Outcome(None, error["type"], fields, error["message"])
