"""Names of topics: a channel's name with its parameters filled in, and the way back from a name to both."""

# A channel's name is parts between colons. The first part is text; a part in braces stands for a parameter of the door:
#
#     channel              topic             part in braces stands for
#     messages             messages
#     inbox:{user_id}      inbox:0199…       one or more of A-Z a-z 0-9 . _ - : @ =
#
# In a value `:`, `@` and `=` are written as in a URL (%3A %40 %3D), which is what `encodeURIComponent` makes of them.
# So a topic is cut at its colons and compared part by part, and no two channels can mean the same topic.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from antiphon.core.errors import InvalidInput, NotFound, SetupError

MOST_LETTERS = 200
"""The longest name of a topic."""

_ESCAPES = {":": "%3A", "@": "%40", "=": "%3D"}
_NAME = re.compile(rf"(?=.{{1,{MOST_LETTERS}}}\Z)(?:[A-Za-z0-9:._-]|{'|'.join(_ESCAPES.values())})+")
_VALUE = re.compile(r"[A-Za-z0-9._:@=-]+")
_ESCAPED = re.compile("|".join(_ESCAPES.values()))
_TEXT = re.compile(r"[A-Za-z0-9._-]+")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Part(NamedTuple):
    """One part of a channel's name: text that stands as it is, or the name of a parameter."""

    text: str
    parameter: bool


def read_parts(name: str) -> tuple[Part, ...]:
    """The parts of a channel's name. Raises SetupError when it is none."""
    parts: list[Part] = []
    for piece in name.split(":"):
        slot = _SLOT.fullmatch(piece)
        if slot is None and not _TEXT.fullmatch(piece):
            break
        parts.append(Part(slot[1], parameter=True) if slot else Part(piece, parameter=False))
    else:
        if not parts[0].parameter:
            return tuple(parts)
    raise SetupError(
        f"{name!r} is no name for a channel. Write 'messages' or 'inbox:{{user_id}}': text first, parameters in braces."
    )


def topic_name(parts: Iterable[Part], values: Mapping[str, object]) -> str:
    """The name of the topic with these values. Raises InvalidInput for a value that no name can hold."""
    texts: list[str] = []
    for part in parts:
        text = part.text
        if part.parameter:
            text = str(msgspec.to_builtins(values[text]))
            if not _VALUE.fullmatch(text):
                allowed = "letters, digits, and any of . _ - : @ ="
                raise InvalidInput.of(part.text, f"cannot be part of a topic's name ({allowed})")
            text = "".join(_ESCAPES.get(letter, letter) for letter in text)
        texts.append(text)
    name = ":".join(texts)
    if len(name) > MOST_LETTERS:
        raise InvalidInput.of("topic", f"is longer than {MOST_LETTERS} characters")
    return name


class Lookup[T]:
    """Finds what a topic belongs to by its name."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[Part, ...], T]]] = {}

    def add(self, parts: tuple[Part, ...], value: T) -> T | None:
        """Put a channel in; gives the one that is there already and could mean the same topics, or None."""
        others = self._by_shape.setdefault((parts[0].text, len(parts)), [])
        for there, other in others:
            if all(a.parameter or b.parameter or a.text == b.text for a, b in zip(parts, there, strict=True)):
                return other
        others.append((parts, value))
        return None

    def find(self, topic: str) -> tuple[T, dict[str, Any]]:
        """What the topic belongs to, and the texts of its parameters. Raises InvalidInput or NotFound."""
        if not _NAME.fullmatch(topic):
            raise InvalidInput.of("topic", f"is not 1 to {MOST_LETTERS} letters, digits, any of : . _ - or %3A %40 %3D")
        texts = topic.split(":")
        for parts, value in self._by_shape.get((texts[0], len(texts)), ()):
            pairs = list(zip(parts, texts, strict=True))
            if all(text if part.parameter else part.text == text for part, text in pairs):
                return value, {part.text: _plain(text) for part, text in pairs if part.parameter}
        raise NotFound("There is no such topic.")


def _plain(text: str) -> str:
    """A value as it was before it was written into a name."""
    return _ESCAPED.sub(lambda found: chr(int(found[0][1:], 16)), text)
