"""The pieces header fields are made of (RFC 9110 §5.6): tokens, quoted strings, lists, parameters, weights."""

from __future__ import annotations

import re

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_QUOTED = re.compile(r'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"')
_ESCAPED = re.compile(r"\\(.)")
# RFC 9110 §12.4.2, and ".2" besides: old Java clients send it, and its meaning is plain.
_WEIGHT = re.compile(r"0(?:\.\d{0,6})?|1(?:\.0{0,6})?|\.\d{1,6}", re.ASCII)


def is_token(text: str) -> bool:
    """Whether `text` is one token (RFC 9110 §5.6.2)."""
    return TOKEN.fullmatch(text) is not None


def split_outside_quotes(text: str, separator: str) -> list[str]:
    """The pieces between separators that stand outside quoted strings, without the space around them."""
    if '"' not in text:
        return [piece.strip(" \t") for piece in text.split(separator)]
    pieces: list[str] = []
    start, quoted, escaped = 0, False, False
    for at, character in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            pieces.append(text[start:at].strip(" \t"))
            start = at + 1
    pieces.append(text[start:].strip(" \t"))
    return pieces


def read_value(text: str) -> str | None:
    """What a token or a quoted string says (RFC 9110 §5.6.4), or None when `text` is neither."""
    if TOKEN.fullmatch(text):
        return text
    quoted = _QUOTED.fullmatch(text)
    if quoted is None:
        return None
    inner = quoted[1]
    return _ESCAPED.sub(r"\1", inner) if "\\" in inner else inner


def read_parameters(pieces: list[str]) -> dict[str, str] | None:
    """The parameters in `name=value` pieces by their lower-case names (RFC 9110 §5.6.6).

    Empty pieces are allowed. None when a piece is malformed or a name comes twice, since then
    two readers could take two different values.
    """
    found: dict[str, str] = {}
    for piece in pieces:
        if not piece:
            continue
        name, _, text = piece.partition("=")
        value, name = read_value(text), name.lower()
        if value is None or not is_token(name) or name in found:
            return None
        found[name] = value
    return found


def read_weight(text: str) -> float | None:
    """A weight from 0 to 1 (RFC 9110 §12.4.2), or None when it is malformed."""
    return float(text) if _WEIGHT.fullmatch(text) else None
