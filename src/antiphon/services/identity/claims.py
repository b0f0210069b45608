"""What an access token claims: made for a caller, and checked claim by claim (RFC 7519 §4.1, RFC 9068 §2.2)."""

#     claim           must be                                        says
#     iss             exactly our issuer                             who made the token
#     aud             a text or texts, one of them on our list       for whom
#     sub             a text of 1 to 256                             the user's id
#     iat exp nbf     whole numbers from 0 to 2^53; nbf may miss     when; 30 s of leeway; exp 10 min after iat at most
#     jti             a text of 1 to 128                             which token
#     sid             a text of 1 to 128                             which sign-in
#     tenant_id       a text up to 128; empty where there are none   which tenant
#     roles_version   a whole number from 0 on                       which of the user's roles `roles` are
#     roles           texts, or missing                              what the user may do (RFC 9068 §2.2.3.1)
#     auth_time       a time, or missing                             when the user last proved who they are
#
# Other claims are ignored. `true` is no number.

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from antiphon.core.caller import Caller
from antiphon.services.identity.form import BadToken
from antiphon.services.identity.settings import LONGEST_ACCESS

LEEWAY = timedelta(seconds=30)
_LATEST = 2**53
_MOST_TEXTS = 1_000


class Expected(NamedTuple):
    """What tokens of one issuer must say."""

    issuer: str
    audience: frozenset[str]


class Verified(NamedTuple):
    """Who a credential stands for. `ends_at` is when it does no longer, `issued` the second it was made in.

    `issuer` is who made it, empty for an API key.
    """

    caller: Caller
    ends_at: datetime
    issued: int
    token_id: str = ""
    issuer: str = ""


def claims_for(
    caller: Caller, expected: Expected, audience: str, token_id: str, now: datetime, life: timedelta
) -> dict[str, Any]:
    """The claims of a new token."""
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": expected.issuer,
        "aud": audience,
        "sub": caller.id,
        "iat": issued,
        "exp": issued + int(life.total_seconds()),
        "jti": token_id,
        "sid": caller.sid,
        "tenant_id": caller.tenant_id,
        "roles_version": caller.roles_version,
        "roles": sorted(caller.roles),
    }
    if caller.proved_at is not None:
        claims["auth_time"] = int(caller.proved_at.timestamp())
    return claims


def check_claims(claims: dict[str, Any], expected: Expected, now: datetime) -> Verified:
    """Whom the claims name. Raises BadToken; that the token has ended is not asked here (`Verified.ends_at`)."""
    issued, ends = check_meant(claims, expected, now)
    proved = _time(claims, "auth_time") if "auth_time" in claims else None
    if proved is not None and proved > now.timestamp() + LEEWAY.total_seconds():
        raise BadToken("auth_time")
    caller = Caller(
        "user",
        text_in(claims, "sub", least=1, most=256),
        text_in(claims, "tenant_id", least=0, most=128),
        texts(claims.get("roles", []), "roles"),
        sid=text_in(claims, "sid", least=1, most=128),
        via="token",
        proved_at=None if proved is None else datetime.fromtimestamp(proved, UTC),
        roles_version=_whole(claims, "roles_version"),
    )
    token_id = text_in(claims, "jti", least=1, most=128)
    return Verified(caller, datetime.fromtimestamp(ends, UTC), issued, token_id, expected.issuer)


def check_meant(claims: dict[str, Any], expected: Expected, now: datetime) -> tuple[int, int]:
    """When a token was made and when it ends, if it is of this issuer, for us and of this time. Raises BadToken."""
    if claims.get("iss") != expected.issuer or not isinstance(claims.get("iss"), str):
        raise BadToken("iss")
    if not expected.audience.intersection(texts(claims.get("aud"), "aud")):
        raise BadToken("aud")
    issued, ends = _time(claims, "iat"), _time(claims, "exp")
    latest = now.timestamp() + LEEWAY.total_seconds()
    if issued > latest:
        raise BadToken("iat")
    if not 0 < ends - issued <= LONGEST_ACCESS.total_seconds():
        raise BadToken("exp")
    if "nbf" in claims and _time(claims, "nbf") > latest:
        raise BadToken("nbf")
    return issued, ends


def _whole(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value <= _LATEST:
        raise BadToken(name)
    return value


def _time(claims: dict[str, Any], name: str) -> int:
    value = _whole(claims, name)
    try:
        datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadToken(name) from None
    return value


def text_in(claims: dict[str, Any], name: str, *, least: int, most: int) -> str:
    """A claim that is a text of this length. Raises BadToken."""
    value = claims.get(name)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise BadToken(name)
    return value


def texts(value: object, name: str) -> frozenset[str]:
    """A claim that is a text or a list of texts. Raises BadToken."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list):
        raise BadToken(name)
    listed = cast("list[object]", given)
    if len(listed) > _MOST_TEXTS:
        raise BadToken(name)
    found = frozenset(text for text in listed if isinstance(text, str))
    if len(found) != len(listed):
        raise BadToken(name)
    return found
