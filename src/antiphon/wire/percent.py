"""Percent-encoding read strictly: what is not exactly encoded UTF-8 is refused, never repaired."""

from __future__ import annotations

from urllib.parse import quote

_DIGITS = "0123456789abcdefABCDEF"
# A table and not int(pair, 16) or bytes.fromhex: those also take "+f", "_1" and spaces.
_BYTES = {f"{high}{low}".encode(): bytes([int(high + low, 16)]) for high in _DIGITS for low in _DIGITS}


class BadEncoding(ValueError):
    """The text is not percent-encoded UTF-8; `problem` ends the sentence "The … "."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The text {problem}.")


def percent_decode(raw: bytes) -> str:
    """The text that `raw` encodes (RFC 3986 §2.1, as UTF-8). Raises `BadEncoding`; "+" is left alone."""
    try:
        if b"%" not in raw:
            return raw.decode()
        first, *rest = raw.split(b"%")
        return b"".join([first, *[_BYTES[piece[:2]] + piece[2:] for piece in rest]]).decode()
    except KeyError:
        raise BadEncoding("has a bad percent-encoding") from None
    except UnicodeDecodeError:
        raise BadEncoding("is not UTF-8") from None


def percent_encode(text: str, safe: str = "") -> str:
    """`text` with every byte encoded that is neither unreserved (RFC 3986 §2.3) nor in `safe`."""
    return text if text.isalnum() and text.isascii() else quote(text, safe=safe)
