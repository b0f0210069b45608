"""Reads the key set of a foreign issuer (RFC 7517): the keys that verify, each with its one algorithm."""

#     a JWK                                        is taken
#     of OKP Ed25519, EC P-256 to P-521, RSA       as a public key: nothing but its public members is read
#     of RSA                                       with 2048 to 8192 bits
#     with `use`, `key_ops`                        when they say that it verifies
#     with `alg`                                   when the key can do it and the issuer's list has it
#     without `alg`                                when the issuer's list has exactly one algorithm that it can do
#     with a `kid` of A-Z a-z 0-9 _ -, 1 to 64     when no other key of the set has the same
#
# Whatever is not taken is left out, and the others still count. `oct` (HMAC) is never read.

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from antiphon.services.identity.form import BadToken, Unpacked, read_object
from antiphon.services.identity.issuer import ForeignIssuer

MOST_KEYS = 100

_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_DOES = {
    ("OKP", "Ed25519"): frozenset({"Ed25519", "EdDSA"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("RSA", None): _RSA,
}
_PUBLIC = {"OKP": ("kty", "crv", "x"), "EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
_RSA_BITS = range(2048, 8192 + 1)


class ForeignKey:
    """A key of somebody else's: it verifies with its one algorithm, and can do nothing else."""

    __slots__ = ("_key", "algorithm")

    def __init__(self, key: ECKey | OKPKey | RSAKey, algorithm: str) -> None:
        self._key = key
        self.algorithm = algorithm

    def verify(self, token: Unpacked) -> None:
        """Raise BadToken unless this key signed the token. The token does not choose the algorithm."""
        if token.alg != self.algorithm:
            raise BadToken("alg")
        signed, _, signature = token.text.rpartition(".")
        try:
            # Not by the library's reader of whole tokens: it warns of EdDSA, which many issuers still write for Ed25519
            # (RFC 9864 §2.2), and the form has been read already.
            holds = jws.JWSRegistry.algorithms[self.algorithm].verify(signed.encode(), _bytes(signature), self._key)
        except (JoseError, ValueError):
            holds = False
        if not holds:
            raise BadToken("signature")


def read_key_set(document: bytes, issuer: ForeignIssuer) -> dict[str, ForeignKey]:
    """The keys of a set by their names. Raises BadToken for what is no key set."""
    listed = read_object(document).get("keys")
    if not isinstance(listed, list):
        raise BadToken("keys")
    members = [cast("dict[str, Any]", each) for each in cast("list[object]", listed) if isinstance(each, dict)]
    kids = [each.get("kid") for each in members]
    found: dict[str, ForeignKey] = {}
    for each in members[:MOST_KEYS]:
        kid = each.get("kid")
        if isinstance(kid, str) and _KID.fullmatch(kid) and kids.count(kid) == 1:
            key = _read(each, issuer)
            if key is not None:
                found[kid] = key
    return found


def _read(member: dict[str, Any], issuer: ForeignIssuer) -> ForeignKey | None:
    algorithm = _algorithm(member, issuer)
    if algorithm is None or not _verifies(member):
        return None
    kind: str = member["kty"]
    public = {name: member.get(name) for name in _PUBLIC[kind]}
    if not all(isinstance(value, str) for value in public.values()):
        return None
    given = cast("dict[str, Any]", public)
    try:
        if kind == "RSA":
            bits = int.from_bytes(_bytes(given["n"])).bit_length()
            return ForeignKey(RSAKey.import_key(given), algorithm) if bits in _RSA_BITS else None
        return ForeignKey(OKPKey.import_key(given) if kind == "OKP" else ECKey.import_key(given), algorithm)
    except (JoseError, ValueError, TypeError):
        # A point that is not on its curve, a number that is none.
        return None


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _algorithm(member: dict[str, Any], issuer: ForeignIssuer) -> str | None:
    kind, curve = member.get("kty"), member.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    able = _DOES.get((kind, None if kind == "RSA" else curve), frozenset[str]()) & frozenset[str](issuer.algorithms)
    if "alg" in member:
        said = member["alg"]
        return said if isinstance(said, str) and said in able else None
    return next(iter(able)) if len(able) == 1 else None


def _verifies(member: dict[str, Any]) -> bool:
    operations = member.get("key_ops", ["verify"])
    return member.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
