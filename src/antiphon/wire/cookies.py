"""Cookies: one read by its name without building the others, and one written (RFC 6265)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Literal

from antiphon.wire.grammar import is_token

_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
_SPACE = " \t"


def read_cookie(header: str | None, name: str) -> str | None:
    """The value of the first cookie called `name` in a `Cookie` header, as sent, or None.

    Browsers send the cookie with the longest path first. The value is untrusted and is not unquoted.
    """
    if not header:
        return None
    wanted = name + "="
    at = header.find(wanted)
    while at >= 0:
        # Found is only what begins a cookie; "x=session=1" has no cookie called session.
        before = at - 1
        while before >= 0 and header[before] in _SPACE:
            before -= 1
        if before < 0 or header[before] == ";":
            start = at + len(wanted)
            end = header.find(";", start)
            return header[start:].strip(_SPACE) if end < 0 else header[start:end].strip(_SPACE)
        at = header.find(wanted, at + 1)
    return None


def write_cookie(
    name: str,
    value: str,
    *,
    max_age: timedelta | None = None,
    secure: bool = True,
    httponly: bool = True,
    samesite: Literal["Lax", "Strict", "None"] = "Lax",
    path: str = "/",
) -> str:
    """The `Set-Cookie` that keeps `value` under `name`; without `max_age` until the browser closes.

    Never has a `Domain`: the cookie belongs to this host alone. Raises ValueError for what a browser would drop or
    misread; the message never repeats the value, which may be a secret.
    """
    if not is_token(name):
        raise ValueError(f"{name!r} is no cookie name; use letters, digits, '-' and '_'.")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"The value of cookie {name!r} has a character no cookie may have; encode it (base64url).")
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path!r} is no cookie path; it begins with a slash and has no ';'.")
    # Browsers know the prefixes in any case of letters (RFC 6265bis §5.7).
    prefix = name.lower()
    if not secure and (prefix.startswith(("__host-", "__secure-")) or samesite == "None"):
        raise ValueError(f"Cookie {name!r} must be secure, or browsers drop it.")
    if prefix.startswith("__host-") and path != "/":
        raise ValueError(f"Cookie {name!r} must have the path '/', or browsers drop it.")
    pieces = [f"{name}={value}", f"Path={path}"]
    if max_age is not None:
        pieces.append(f"Max-Age={max(0, int(max_age.total_seconds()))}")
    if secure:
        pieces.append("Secure")
    if httponly:
        pieces.append("HttpOnly")
    pieces.append(f"SameSite={samesite}")
    return "; ".join(pieces)


def clear_cookie(name: str, *, secure: bool = True, path: str = "/") -> str:
    """The `Set-Cookie` that makes the browser forget `name` at once."""
    return write_cookie(name, "", max_age=timedelta(0), secure=secure, path=path)
