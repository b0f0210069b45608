"""Seals small texts under a key: JWE with a shared key (RFC 7516, `dir` and A256GCM). Only here, never for callers."""

from __future__ import annotations

from hmac import digest
from typing import Self

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_HEADER = {"alg": "dir", "enc": "A256GCM"}
_ALGORITHMS = ["dir", "A256GCM"]


class BadSeal(Exception):
    """What was to be opened was not sealed under this key, or was changed since."""


class Seal:
    """Seals texts so that only whoever has the key of 32 bytes can read or change them."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = OctKey.import_key(key)

    @classmethod
    def under(cls, secret: str) -> Self:
        """The seal of whoever holds this secret, which has at least 256 random bits."""
        return cls(derive(secret.encode("utf-8", "surrogatepass"), "seal"))

    def close(self, text: str) -> str:
        """The text, sealed; ASCII, and another one each time."""
        return jwe.encrypt_compact(_HEADER, text.encode(), self._key, algorithms=_ALGORITHMS)

    def open(self, sealed: str) -> str:
        """The text that was sealed. Raises BadSeal."""
        try:
            opened = jwe.decrypt_compact(sealed, self._key, algorithms=_ALGORITHMS)
        except (JoseError, ValueError) as error:
            # The library's words are not repeated: they may show what was sealed.
            raise BadSeal(type(error).__name__) from None
        return (opened.plaintext or b"").decode()


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of 256 bits for one purpose; it tells nothing of the secret nor of the keys for other purposes."""
    return digest(secret, b"antiphon " + purpose.encode(), "sha256")
