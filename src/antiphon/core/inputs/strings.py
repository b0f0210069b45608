"""Reads strings as the type an input declares: `"5"` as 5, `"true"` as true, an empty string as nothing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_origin

import msgspec

from antiphon.core.errors import Fault
from antiphon.core.inputs.contents import Most
from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.faults import faults_in
from antiphon.core.inputs.flaws import flaw_of
from antiphon.core.inputs.types import ABSENT, alternatives, convert_kind, is_list, is_structure, is_text, plain
from antiphon.core.secrets import Secret

MOST_VALUES = 1_000
"""No input takes more strings than this under one name."""


_SHORT = 16
"""Digits that are a number whatever else is asked: the path of most ids, at a tenth of the cost of converting."""


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}
"""How booleans are written."""


class StringReader:
    """Reads the strings given for one input."""

    __slots__ = ("annotation", "list", "most", "number", "numbers", "raw", "structure", "text", "truth")

    def __init__(self, annotation: Any, most: Most) -> None:
        self.annotation = annotation
        self.most = most
        self.list = is_list(annotation)
        self.structure = is_structure(annotation)
        self.text = is_text(annotation)
        self.raw = annotation is str
        self.number = annotation is int
        self.truth = annotation is bool
        self.numbers = any(kind in (int, float, Decimal, Secret) for kind in map(_kind, alternatives(annotation)))

    def read(self, given: Sequence[str], name: str, faults: list[Fault]) -> Any:
        """The value, or ABSENT when there is none; what does not fit is added to `faults`."""
        # The usual notation of what most paths and queries hold, before anything is asked that cannot be wrong with it.
        if self.number and len(given) == 1:
            text = given[0]
            if len(text) < _SHORT and text.isascii() and text.isdigit():
                return int(text)
        elif self.truth and len(given) == 1 and given[0] in _TRUTHS:
            return _TRUTHS[given[0]]
        if self.list:
            return self._read_list(given, name, faults)
        if len(given) != 1:
            faults.append(Fault(name, "is given more than once"))
            return ABSENT
        text = given[0]
        if "\0" in text:
            faults.append(Fault(name, "holds a NUL character"))
            return ABSENT
        if len(text) > self.most.text and not self.structure:
            faults.append(Fault(name, f"is longer than {self.most.text:,} characters"))
            return ABSENT
        if self.raw:
            return text
        if not text and not self.text:
            return ABSENT
        if self.structure:
            return self._read_structure(text, name, faults)
        try:
            value = msgspec.convert(text, self.annotation, strict=False, dec_hook=convert_kind)
        except (msgspec.ValidationError, ValueError):
            faults += faults_in(self.annotation, text, name, strict=False)
            return ABSENT
        return self._flawless(value, name, faults) if self.numbers else value

    def _read_list(self, given: Sequence[str], name: str, faults: list[Fault]) -> Any:
        if len(given) > MOST_VALUES:
            faults.append(Fault(name, f"has more than {MOST_VALUES:,} values"))
            return ABSENT
        try:
            value = msgspec.convert(list(given), self.annotation, strict=False, dec_hook=convert_kind)
        except (msgspec.ValidationError, ValueError):
            faults += faults_in(self.annotation, list(given), name, strict=False)
            return ABSENT
        return self._flawless(value, name, faults)

    def _read_structure(self, text: str, name: str, faults: list[Fault]) -> Any:
        """An object is given as JSON: no other notation of nested names is understood."""
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            faults.append(Fault(name, f"is not {describe(self.annotation)} written as JSON"))
            return ABSENT
        try:
            read = msgspec.convert(value, self.annotation, dec_hook=convert_kind)
        except (msgspec.ValidationError, ValueError, RecursionError):
            faults += faults_in(self.annotation, value, name, strict=True)
            return ABSENT
        return self._flawless(read, name, faults)

    def _flawless(self, value: Any, name: str, faults: list[Fault]) -> Any:
        flaw = flaw_of(value, self.annotation, name, self.most)
        if flaw is None:
            return value
        faults.append(flaw)
        return ABSENT


def _kind(annotation: Any) -> Any:
    bare = plain(annotation)
    return get_origin(bare) or bare
