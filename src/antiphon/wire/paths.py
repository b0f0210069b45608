"""Paths and names in URLs: split and decoded on the way in, encoded on the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from antiphon.wire.faults import malformed
from antiphon.wire.percent import BadEncoding, percent_decode, percent_encode

_PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DOTS = frozenset((".", ".."))
# RFC 8187 §3.2.1, less the letters, digits and "-._~" that are always safe.
_ATTRIBUTE_CHARACTERS = "!#$&+^`|"
# Nothing that any client has been seen to read in its own way: no "%", no quote, no backslash.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ ().\-]*")


def split_path(raw: bytes, max_segments: int = 64) -> list[str]:
    """The segments of a raw path, each decoded on its own, so that `%2F` stays inside its segment.

    `/` is `[""]`, `/user/5` is `["user", "5"]` and `/user/` is `["user", ""]`. A path that does not begin
    with a slash, bad percent-encoding, bad UTF-8, NUL, `.` and `..` (also encoded), and more than
    `max_segments` segments are malformed (400). A decoded segment may hold a slash or a
    backslash: whoever makes a file name of it checks it again.
    """
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        return _decode_segments(raw, max_segments)
    if "%" in text or "/." in text or "\0" in text:
        return _decode_segments(raw, max_segments)
    segments = text.split("/")
    if segments[0] or len(segments) < 2:
        raise malformed("The path does not begin with a slash.")
    if len(segments) > max_segments + 1:
        raise malformed(f"The path has more than {max_segments} segments.")
    del segments[0]
    return segments


def _decode_segments(raw: bytes, max_segments: int) -> list[str]:
    if not raw.startswith(b"/"):
        raise malformed("The path does not begin with a slash.")
    # Counted before anything is decoded: refusing must not cost more than reading.
    if raw.count(b"/") > max_segments:
        raise malformed(f"The path has more than {max_segments} segments.")
    try:
        segments = [percent_decode(piece) for piece in raw[1:].split(b"/")]
    except BadEncoding as bad:
        raise malformed(f"The path {bad.problem}.") from None
    for segment in segments:
        if segment in _DOTS:
            raise malformed('The path has a "." or ".." segment.')
        if "\0" in segment:
            raise malformed("The path has a NUL character.")
    return segments


def quote_segment(text: str) -> str:
    """`text` as one path segment, everything but the unreserved characters percent-encoded (RFC 3986 §3.3).

    Raises ValueError for what no segment can say: nothing, `.` and `..`, which every client takes away.
    """
    if not text or text in _DOTS:
        raise ValueError(f"{text!r} cannot be a path segment; use an id that is neither empty nor dots.")
    return percent_encode(text)


class PathTemplate:
    """A path with places, such as `/user/{id}`, taken apart once and filled many times."""

    __slots__ = ("_pieces", "names", "text")

    def __init__(self, text: str) -> None:
        pieces = _PLACE.split(text)
        if "{" in "".join(pieces[::2]) or "}" in "".join(pieces[::2]):
            raise ValueError(f"The path {text!r} has a brace that is no place; write places as {{name}}.")
        self.text = text
        self.names = tuple(pieces[1::2])
        self._pieces = pieces

    def fill(self, values: Mapping[str, object]) -> str:
        """The path with each value as one encoded segment. Raises ValueError when one is missing or unfit."""
        pieces = list(self._pieces)
        for at in range(1, len(pieces), 2):
            name = pieces[at]
            value = values.get(name)
            if value is None:
                raise ValueError(f"The path {self.text!r} needs a value for {name!r}.")
            pieces[at] = quote_segment(str(value))
        return "".join(pieces)


def fill(template: str, values: Mapping[str, object]) -> str:
    """`PathTemplate(template).fill(values)`, for a template that is used once."""
    return PathTemplate(template).fill(values)


def content_disposition(name: str) -> str:
    """The `Content-Disposition` of a file that is to be saved under `name` (RFC 6266, RFC 8187).

    A plain ASCII name is said twice, for clients that know only `filename`. It stands second, as the
    contract of the wire has it: today's clients take `filename*` wherever it stands.
    """
    header = f"attachment; filename*=UTF-8''{percent_encode(name, _ATTRIBUTE_CHARACTERS)}"
    return f'{header}; filename="{name}"' if _PLAIN_NAME.fullmatch(name) else header
