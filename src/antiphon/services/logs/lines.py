"""Turns an event into one line: an object in JSON, or a text for people. The last step of structlog's chain."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from structlog.dev import ConsoleRenderer

from antiphon.core.clock import Clock
from antiphon.services.logs.failures import Failure, describe
from antiphon.services.logs.masks import Masks

# What a terminal acts upon or does not show: C0 and C1 controls, and the marks that turn the direction of writing.
# JSON itself escapes only C0.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_CONTROLS_IN_TRACEBACKS = re.compile(_CONTROLS.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


class _Lines:
    """What both forms share: the order of the fields, and what is masked."""

    def __init__(self, clock: Clock, masks: Masks) -> None:
        self._clock = clock
        self._masks = masks

    def _fields(self, level: str, given: dict[str, Any]) -> dict[str, Any]:
        masks = self._masks
        line: dict[str, Any] = {"timestamp": self._clock.now(), "level": level, "event": given.pop("event")}
        for name, value in given.items():
            if isinstance(value, BaseException):
                value = describe(value, masks)._asdict()
            # A field may not pass for what we say ourselves.
            line[f"{name}_" if name in line else name] = value if name == "error" else masks.field(name, value)
        return line


class JsonLines(_Lines):
    """One JSON object a line: timestamp (RFC 3339, UTC), level, event, and the fields."""

    def __call__(self, logger: object, level: str, given: dict[str, Any]) -> bytes:
        """The line, without its end."""
        fields = self._fields(level, given)
        try:
            line = msgspec.json.encode(fields)
        except UnicodeEncodeError:
            # Lone surrogates: bytes that were not UTF-8, from a file name or a command line.
            line = msgspec.json.encode(_without_surrogates(fields))
        if not line.isascii() or b"\x7f" in line or self._masks.finds_known(line):
            line = _CONTROLS.sub(_escape, self._masks.without_known(line.decode())).encode()
        return line


class TextLines(_Lines):
    """One line for people, coloured if asked for; tracebacks follow on lines of their own."""

    def __init__(self, clock: Clock, masks: Masks, *, colors: bool) -> None:
        super().__init__(clock, masks)
        self._render = ConsoleRenderer(colors=colors, sort_keys=False, pad_event_to=24)

    def __call__(self, logger: object, level: str, given: dict[str, Any]) -> bytes:
        """The line, without its end."""
        fields = _without_surrogates(self._fields(level, given))
        failure = fields.pop("error", None)
        shown = {name: self._shown(value) for name, value in fields.items()}
        shown["timestamp"] = fields["timestamp"].strftime("%H:%M:%S.%f")[:-3]
        if isinstance(failure, dict):
            failure = Failure(**failure)
            shown["error"] = self._shown(f"{failure.type}: {failure.message}")
            traceback = self._masks.without_known(failure.traceback)
            shown["exception"] = _CONTROLS_IN_TRACEBACKS.sub(_escape, traceback)
        return self._render(logger, level, shown).encode()

    def _shown(self, value: object) -> object:
        text = self._masks.without_known(value if isinstance(value, str) else repr(value))
        return _CONTROLS.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(inner) for name, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]  # whatever was logged
    if isinstance(value, list):
        return [_without_surrogates(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]  # as above
    return value
