"""What the settings say of an issuer whose tokens are taken beside our own: where its keys are, and what it may say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta

type ForeignAlgorithm = Literal[
    "Ed25519", "EdDSA", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"
]
"""What an issuer may sign with. `none` and HMAC are not here and never will be."""

_Text = Annotated[str, Meta(min_length=1, max_length=256)]


class ForeignIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer of access tokens (RFC 9068) that is not this application.

    Its users have no account here. Their tenant is `tenant_id`; or what `tenants` makes of the claim `tenant_claim`,
    and a token with another one is refused; without either they have none. Their roles are what `roles` makes of the
    claim `roles_claim`; names that do not stand there give nothing, so an issuer gives no role that was not given here.
    """

    issuer: _Text
    audience: Annotated[tuple[_Text, ...], Meta(min_length=1)]
    algorithms: Annotated[tuple[ForeignAlgorithm, ...], Meta(min_length=1)]
    jwks_url: Annotated[str, Meta(min_length=1, max_length=2048)]
    tenant_id: Annotated[str, Meta(max_length=128)] = ""
    tenant_claim: Annotated[str, Meta(max_length=128)] = ""
    tenants: dict[_Text, _Text] = {}
    roles_claim: _Text = "roles"
    roles: dict[_Text, _Text] = {}


def issuer_faults(issuers: Mapping[str, ForeignIssuer], own: str, *, production: bool) -> Iterable[str]:
    """What is wrong with these issuers, in words that repeat nothing but the names of their tables."""
    seen = {own} - {""}
    for name, each in issuers.items():
        if each.issuer in seen:
            yield f"{name}: its issuer is another's or our own; each has its own"
        seen.add(each.issuer)
        if problem := _url_fault(each.jwks_url, production=production):
            yield f"{name}: jwks_url {problem}"
        if bool(each.tenant_claim) != bool(each.tenants):
            yield f"{name}: tenant_claim and tenants belong together; write both or neither"
        if each.tenant_claim and each.tenant_id:
            yield f"{name}: the tenant is tenant_id or that of a claim; write one of them"


def _url_fault(url: str, *, production: bool) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is no URL"
    if not parts.hostname or "@" in parts.netloc or parts.fragment or not url.isascii() or not url.isprintable():
        return "must be a plain URL, without user and fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and not production and _is_here(parts)):
        return ""
    return "must be https; http only on this machine, and not in production"


def _is_here(parts: SplitResult) -> bool:
    if parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
