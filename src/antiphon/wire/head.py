"""The head of a request: its header fields, and the bounds of a head whoever read it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from antiphon.wire.faults import headers_too_large, url_too_long

Field = tuple[bytes, bytes]
"""The name of a header in lower case, and its value."""


@dataclass(frozen=True, slots=True)
class HeadBounds:
    """The sizes of a head, in bytes, and the number of its headers."""

    url_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024
    one_header_bytes: int = 8 * 1024
    header_count: int = 100
    cookie_bytes: int = 8 * 1024

    def check_target(self, size_bytes: int) -> None:
        """Raise a 414 for a target that is too long."""
        if size_bytes > self.url_bytes:
            raise url_too_long(self.url_bytes)

    def check_fields(self, fields: Sequence[Field]) -> None:
        """Raise a 431 for headers that are too many or too large."""
        if len(fields) > self.header_count:
            raise headers_too_large(f"There are more than {self.header_count} headers.")
        total = cookies = 0
        for name, value in fields:
            size = len(name) + len(value)
            total += size
            if name == b"cookie":
                # They may be sent in many fields (RFC 9113 §8.2.3), and are one text for whoever reads them.
                cookies += len(value)
            if size > self.one_header_bytes:
                raise headers_too_large(f"A header is longer than {self.one_header_bytes:,} bytes.")
        if cookies > self.cookie_bytes:
            raise headers_too_large(f"The cookies are longer than {self.cookie_bytes:,} bytes.")
        if total > self.header_bytes:
            raise headers_too_large(f"The headers are longer than {self.header_bytes:,} bytes.")


class Head(ABC):
    """The header fields of a request. One object may serve several requests of a connection that sent the same ones.

    `notes` are for the layer above: what it found out about these fields it may keep here, as bits, and need not find
    out again. They are 0 at first.
    """

    __slots__ = ("notes",)

    notes: int

    @abstractmethod
    def get(self, name: bytes) -> str | None:
        """The value of a header by its lower-case name, or None. Repeated ones are joined by ", " (RFC 9110 §5.3).

        What is sent twice but may not be (Host, Authorization) is joined too: ask `values` there. Cookies are
        joined by "; " (RFC 9113 §8.2.3).
        """

    def has_any(self, names: frozenset[bytes]) -> bool:
        """Whether any of these headers is there, by their lower-case names."""
        return any(self.get(name) is not None for name in names)

    @abstractmethod
    def values(self, name: bytes) -> list[str]:
        """The value of each occurrence of a header, by its lower-case name."""

    @abstractmethod
    def items(self) -> Sequence[Field]:
        """Every header as it came, names in lower case."""

    @abstractmethod
    def check(self, bounds: HeadBounds) -> None:
        """Raise a 431 when the fields are over the bounds, unless whoever read them held the bounds already."""


def join(name: bytes, values: Sequence[bytes]) -> str | None:
    """One text of all the values of a header, or None when there is none."""
    if not values:
        return None
    return (b"; " if name == b"cookie" else b", ").join(values).decode("latin-1")
