"""The form of an access token: what has to be true of its text before any key is looked up (RFC 7515, 8725, 9068)."""

# A token is <header>.<claims>.<signature>, and everything about its text that could be read in two ways refuses it.
#
#     text        8 KiB at most, counted before anything else; three parts, so no JWE, which has five
#     each part   base64url without padding, and the one text that stands for its bytes (no stray bits at the end)
#     header      a JSON object in UTF-8 whose names are exactly alg, kid and typ, each once; all texts
#     typ         at+jwt
#     kid         1 to 64 of A-Z a-z 0-9 _ -
#     claims      a JSON object in UTF-8, no name twice at any depth; numbers that JSON knows
#
# `alg` is only read here. Which algorithm verifies is said by the key (signing.py).

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, NamedTuple, NoReturn, cast

LARGEST_BYTES = 8 * 1024
TYPE = "at+jwt"

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HEADER = frozenset({"alg", "kid", "typ"})


class BadToken(Exception):
    """A token that is refused. The reason is for tests and debug logs; it repeats nothing that the token says."""


class Unpacked(NamedTuple):
    """A token whose form is right; nothing of it is true yet."""

    text: str
    alg: str
    kid: str
    claims: bytes


def unpack(text: str) -> Unpacked:
    """The parts of a token. Raises BadToken."""
    if len(text) > LARGEST_BYTES:
        raise BadToken("size")
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadToken("form")
    header, claims = _bytes(found[1]), _bytes(found[2])
    _bytes(found[3])
    members = read_object(header)
    if members.keys() != _HEADER:
        raise BadToken("header")
    alg, kid, typ = (members[name] for name in ("alg", "kid", "typ"))
    if typ != TYPE:
        raise BadToken("typ")
    if not isinstance(alg, str):
        raise BadToken("alg")
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise BadToken("kid")
    return Unpacked(text, alg, kid, claims)


def read_object(data: bytes) -> dict[str, Any]:
    """A JSON object, strictly: UTF-8, no name twice, no NaN. Raises BadToken."""
    try:
        value: object = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise BadToken("json") from None
    if not isinstance(value, dict):
        raise BadToken("json")
    return cast("dict[str, Any]", value)


def _bytes(part: str) -> bytes:
    if len(part) % 4 == 1:
        raise BadToken("base64url")
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        # Bits beyond the last byte: a second text for the same token would pass for another one.
        raise BadToken("base64url")
    return data


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands there twice")
    return members


def _refuse(_: str) -> NoReturn:
    raise ValueError("JSON has no such number")
