"""How an API key is written: `atk_<id>_<secret>`, with a checksum that scanners for leaked secrets know it by."""

#     atk_0f3c9a6d81b2e457_<43 letters of base62: 256 random bits><6 letters of base62: CRC-32 of all before them>
#
# The id is public: lists and logs name a key by it. The checksum keeps typing errors and texts of other programs from
# ever being looked up. The whole text is kept as SHA-256 only.

from __future__ import annotations

import re
from hashlib import sha256
from secrets import randbits, token_hex
from zlib import crc32

from antiphon.core.secrets import Secret

LARGEST_BYTES = 128
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(r"atk_([0-9a-f]{16})_[0-9A-Za-z]{43}[0-9A-Za-z]{6}")
_SECRET_BITS, _SECRET_LETTERS, _SUM_LETTERS = 256, 43, 6


def new_api_key() -> tuple[str, Secret[str]]:
    """The id and the whole text of a new key."""
    key_id = token_hex(8)
    text = f"atk_{key_id}_{_base62(randbits(_SECRET_BITS), _SECRET_LETTERS)}"
    return key_id, Secret(text + _sum(text))


def looks_like_key(text: str) -> bool:
    """Whether this is meant to be an API key, be it one or not."""
    return text.startswith("atk_")


def key_id_of(text: str) -> str | None:
    """The id of a key, or None for a text that is none: its form or its checksum is wrong."""
    if len(text) > LARGEST_BYTES:
        return None
    found = _FORM.fullmatch(text)
    if found is None or _sum(text[:-_SUM_LETTERS]) != text[-_SUM_LETTERS:]:
        return None
    return found[1]


def secret_digest(text: str) -> str:
    """What is kept of a secret with 256 random bits: its SHA-256, hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _sum(text: str) -> str:
    return _base62(crc32(text.encode()), _SUM_LETTERS)


def _base62(number: int, letters: int) -> str:
    text = ""
    for _ in range(letters):
        number, at = divmod(number, 62)
        text = _LETTERS[at] + text
    return text
