"""Cursors of lists that go through several queues: which queue comes next, and where in it."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import NamedTuple

from antiphon import InvalidInput


class Cursor(NamedTuple):
    """A place in a list: a queue, and the place in it ("" at its beginning)."""

    queue: str
    place: str

    @property
    def text(self) -> str:
        """As clients carry it."""
        return urlsafe_b64encode(f"{self.queue}\n{self.place}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The cursor that was given to a client. Raises InvalidInput for what is none."""
    try:
        queue, found, place = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition("\n")
    except (Error, ValueError):
        found, queue, place = "", "", ""
    if not found:
        raise InvalidInput.of("cursor", "is none that a list has given")
    return Cursor(queue, place)
