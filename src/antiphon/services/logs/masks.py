"""Keeps secrets out of the log: by the names of fields, by what texts look like, and by values known to be secret."""

# What is masked, and by what it is known:
#
#     a field, key or pair with a telling name      the name: password, token, ticket, cookie, …, in any style
#     a Secret                                      its type
#     `name=value`, `Name: value`, user:pass@host   the look of it, in any text and in bytes
#     a value that was told to `hide`               itself, wherever it stands, also escaped for JSON or a URL

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import msgspec

from antiphon.core.secrets import MASK, Secret

LONGEST_TEXT = 16 * 1024
_DEEPEST = 8
_LONGEST_LIST = 1_000
_SHORTEST_SECRET = 4
_NAMES_KEPT = 2_000
_BIGGEST_INT = 1 << 63

_WORDS = "password|passwd|passphrase|secret|token|ticket|authorization|cookie|api_?key|credentials?"
_NAME = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_|$)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Each part is linear: nothing that may be long stands before what has to be found.
_LOOKS = re.compile(
    r"(?P<url>://)[^\s/\"'<>]*@"
    r"|(?P<header>(?:authorization|cookie)[\"']?\s{0,8}[:=]\s{0,8})[^\r\n]+"
    r"|(?P<pair>(?:password|passwd|passphrase|secret|token|ticket|api[_-]?key)\w{0,32}[\"']?\s{0,8}[:=]\s{0,8})"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s&,;)}\]]+)"
    r"|(?P<scheme>bearer\s{1,8})[\w.~+/=-]{16,}",
    re.IGNORECASE,
)
_AS_THEY_ARE = frozenset({int, float, bool, NoneType, datetime})


class _Telling(dict[str, bool]):
    """Which names are telling, each found out once."""

    def __missing__(self, name: str) -> bool:
        plain = _CAMEL.sub("_", name).lower().replace("-", "_").replace(" ", "_")
        found = _NAME.search(plain) is not None
        if len(self) < _NAMES_KEPT:
            # Names of nested keys may come from outside; the bound keeps them from filling the memory.
            self[name] = found
        return found


class Masks:
    """What the log of one application must not show."""

    def __init__(self) -> None:
        self._telling = _Telling()
        self._known: tuple[str, ...] = ()
        self._known_bytes: tuple[bytes, ...] = ()

    def hide(self, secrets: Iterable[Secret[Any]]) -> None:
        """Mask these values wherever they stand. Texts below four characters would mask everything and are left out."""
        texts = [
            text for secret in secrets if isinstance(text := secret.reveal(), str) and len(text) >= _SHORTEST_SECRET
        ]
        forms = {form for text in texts for form in _forms(text)}
        # The longest first, so that none is left in half because a part of it was a secret as well.
        self._known = tuple(sorted(forms.union(self._known), key=len, reverse=True))
        self._known_bytes = tuple(form.encode("utf-8", "backslashreplace") for form in self._known)

    def telling(self, name: str) -> bool:
        """Whether a field of this name holds a secret: `accessToken`, `Set-Cookie` and `password_hash` do."""
        return self._telling[name]

    def field(self, name: str, value: object) -> object:
        """The value as it may be logged under this name: only what JSON knows, bounded in size and depth."""
        kind = value.__class__
        if self._telling[name] and kind is not bool and kind is not NoneType:
            return MASK
        if kind is str:
            return self.text(value)  # pyright: ignore[reportArgumentType]  # its class says so, and a cast costs a call
        if kind is int:
            return value if -_BIGGEST_INT <= value < _BIGGEST_INT else str(value)  # pyright: ignore[reportOperatorIssue]  # as above
        if kind in _AS_THEY_ARE:
            return value
        return self._inside(value, _DEEPEST)

    def text(self, text: str) -> str:
        """The text without what looks like a secret, cut when it is very long."""
        # Most texts, such as ids, have none of these and are done.
        if " " in text or ":" in text or "=" in text or len(text) > LONGEST_TEXT:
            # A little more than is kept, so that the cut does not keep the half of a secret.
            masked = _LOOKS.sub(_mask, text[: LONGEST_TEXT + 1024])
            return masked if len(text) <= LONGEST_TEXT else f"{masked[:LONGEST_TEXT]}… ({len(text)} characters)"
        return text

    def finds_known(self, line: bytes) -> bool:
        """Whether a value that was told to `hide` stands in this line."""
        return any(secret in line for secret in self._known_bytes) if self._known_bytes else False

    def without_known(self, text: str) -> str:
        """The text without the values that were told to `hide`."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        return text

    def _inside(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, bytes | bytearray):
            return self.text(value[: LONGEST_TEXT + 1].decode("utf-8", "backslashreplace"))
        if isinstance(value, Secret):
            return MASK
        if value.__class__ in _AS_THEY_ARE:
            return self.field("", value)
        if depth == 0:
            return "…"
        if isinstance(value, Mapping):
            return self._mapping(cast("Mapping[object, object]", value), depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._list(list(cast("Iterable[object]", value)), depth)
        if isinstance(value, msgspec.Struct):
            return self._mapping(cast("Mapping[object, object]", msgspec.structs.asdict(value)), depth)
        if is_dataclass(value) and not isinstance(value, type):
            return self._mapping({field.name: getattr(value, field.name, None) for field in fields_of(value)}, depth)
        if isinstance(value, Enum):
            return self._inside(cast("object", value.value), depth - 1)
        return self._other(value)

    def _mapping(self, values: Mapping[object, object], depth: int) -> dict[str, object]:
        shown: dict[str, object] = {}
        for name, value in list(values.items())[:_LONGEST_LIST]:
            key = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)
            hidden = not isinstance(value, bool | NoneType) and self.telling(key)
            shown[self.text(key)] = MASK if hidden else self._inside(value, depth - 1)
        return shown

    def _list(self, values: list[object], depth: int) -> list[object]:
        # Headers are kept as pairs of a name and a value.
        if len(values) == 2 and isinstance(values[0], str | bytes):
            name = values[0].decode("latin-1") if isinstance(values[0], bytes) else values[0]
            if self.telling(name):
                return [name, MASK]
        return [self._inside(value, depth - 1) for value in values[:_LONGEST_LIST]]

    def _other(self, value: object) -> object:
        if isinstance(value, date | time | timedelta | UUID | Decimal | int | float):
            return str(value)
        try:
            return self.text(repr(value))
        except Exception as error:  # noqa: BLE001  # a log line must not fail for what it shows
            return f"<{type(value).__name__}: {type(error).__name__} while it was shown>"


def _mask(found: re.Match[str]) -> str:
    if found["url"]:
        return f"://{MASK}@"
    return f"{found[found.lastgroup or 0]}{MASK}"


def _forms(text: str) -> Iterator[str]:
    """How a secret may stand in a line: as it is, quoted, in JSON or in a URL, and each of these within our JSON."""
    for form in (
        text,
        _in_json(text),
        json.dumps(text)[1:-1],
        repr(text)[1:-1],
        quote(text, safe="", errors="replace"),
    ):
        yield form
        yield _in_json(form)


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
