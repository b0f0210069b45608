"""The header fields of an ASGI scope, and the heads that connections came with last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from antiphon.wire.head import Field, Head, HeadBounds, join

UNKNOWN = -1
"""The length of a body that says no number of bytes."""

REMEMBERED = 1024
"""How many connections' last heads are kept."""

REMEMBERED_BYTES = 8 * 1024
"""How large such a head may be, with a hundred bytes for each field: servers hand on heads that nobody has bounded."""

_FIELD_BYTES = 100

_FRAMING = frozenset((b"content-length", b"transfer-encoding"))


@final
class AsgiHead(Head):
    """The headers of the ASGI scope, looked into when somebody asks.

    `length` is that of the body as it was announced: 0 without any word of one, `UNKNOWN` for any other coding.
    """

    __slots__ = ("_index", "fields", "length", "scheme")

    def __init__(self, fields: Sequence[Field], scheme: str = "http") -> None:
        self.fields = fields
        self.scheme = scheme
        self._index: dict[bytes, bytes] | None = None
        self.notes = 0
        self.length = _announced(fields)

    def get(self, name: bytes) -> str | None:
        index = self._index
        if index is None:
            index = self._index = dict(self.fields)
        if len(index) == len(self.fields):
            found = index.get(name)
            return None if found is None else found.decode("latin-1")
        return join(name, [value for key, value in self.fields if key == name])

    def has_any(self, names: frozenset[bytes]) -> bool:
        index = self._index
        if index is None:
            index = self._index = dict(self.fields)
        return not names.isdisjoint(index)

    def values(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self.fields if key == name]

    def items(self) -> Sequence[Field]:
        return self.fields

    def check(self, bounds: HeadBounds) -> None:
        bounds.check_fields(self.fields)


@final
class AsgiHeads:
    """Requests of one connection mostly carry the same fields: what was found in them is not looked for again.

    A connection is known by its client's address and port. That only says which head to compare with: one is shared by
    requests whose fields and scheme are the same, and by no others.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[Any, AsgiHead] = {}

    def of(self, scope: dict[str, Any]) -> AsgiHead:
        """The head of this scope."""
        client, fields, scheme = scope.get("client"), scope["headers"], scope.get("scheme", "http")
        if client.__class__ is not tuple:
            # A Unix socket has none, and some servers give a list.
            return AsgiHead(fields, scheme)
        head = self._last.get(client)
        if head is None or head.fields != fields or head.scheme != scheme:
            if head is None and len(self._last) >= REMEMBERED:
                self._last.clear()
            head = AsgiHead(fields, scheme)
            if sum(_FIELD_BYTES + len(name) + len(value) for name, value in fields) <= REMEMBERED_BYTES:
                self._last[client] = head
        return head


def _announced(fields: Sequence[Field]) -> int:
    for name, value in fields:
        if name in _FRAMING:
            announced = _length(value) if name == b"content-length" else UNKNOWN
            if announced:
                return announced
    return 0


def _length(value: bytes) -> int:
    # Servers check this. One that does not gets a body of unknown length, which is bounded while it is read.
    if not value.isdigit():
        return UNKNOWN
    return int(value) if len(value) < 18 else 10**18
