"""Places in lists that go through several queues: which queue comes next, and where in it."""

from __future__ import annotations

from typing import NamedTuple, Self


class Place(NamedTuple):
    """A place in a list: a queue, and the place in it ("" at its beginning)."""

    queue: str
    within: str

    @property
    def text(self) -> str:
        """As a signed cursor carries it."""
        return f"{self.queue}\n{self.within}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The place that a cursor says; the beginning for an empty one."""
        queue, _, within = text.partition("\n")
        return cls(queue, within)


BEGINNING = Place("", "")
"""Before the first queue."""
