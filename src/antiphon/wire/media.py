"""Content types, and which of those we offer an `Accept` header prefers (RFC 9110 §8.3, §12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from antiphon.wire.grammar import is_token, read_parameters, read_weight, split_outside_quotes

_UTF8 = frozenset(("utf-8", "utf8"))


class MediaType(NamedTuple):
    """A content type, its names in lower case: `text/plain; charset=utf-8`."""

    type: str
    subtype: str
    parameters: Mapping[str, str]

    @property
    def essence(self) -> str:
        """The type without its parameters, such as `text/plain`."""
        return f"{self.type}/{self.subtype}"

    @property
    def charset(self) -> str | None:
        """The charset it names, in lower case."""
        charset = self.parameters.get("charset")
        return charset.lower() if charset is not None else None


def parse_media_type(text: str) -> MediaType | None:
    """The content type that `text` names, or None when it is malformed (the caller answers 415)."""
    first, *rest = split_outside_quotes(text, ";")
    type_, _, subtype = first.lower().partition("/")
    if not is_token(type_) or not is_token(subtype):
        return None
    parameters = read_parameters(rest)
    return None if parameters is None else MediaType(type_, subtype, parameters)


def is_json(content_type: str) -> bool:
    """Whether a body of this type is JSON we read: `application/json` or `application/*+json`, in UTF-8.

    Any parameter is allowed; a charset, if there is one, must be utf-8.
    """
    if content_type == "application/json":
        return True
    media = parse_media_type(content_type)
    if media is None or media.type != "application":
        return False
    named = media.subtype == "json" or media.subtype.endswith("+json")
    return named and (media.charset is None or media.charset in _UTF8)


class _Wish(NamedTuple):
    # One member of an Accept header: how much it is wanted, and what exactly.
    type: str
    subtype: str
    parameters: Mapping[str, str]
    weight: float

    def fit(self, offer: MediaType) -> int:
        """How exactly this member names `offer`: 0 not at all, 1 as `*/*`, 2 as `text/*`, 3 and more by name."""
        if self.type == "*":
            return 1
        if self.type != offer.type:
            return 0
        if self.subtype == "*":
            return 2
        if self.subtype != offer.subtype:
            return 0
        if any(offer.parameters.get(name, "").lower() != value.lower() for name, value in self.parameters.items()):
            return 0
        return 3 + len(self.parameters)


def _read_wishes(accept: str) -> list[_Wish]:
    """The members of an `Accept` header; malformed ones are left out, as if they had not been sent."""
    wishes: list[_Wish] = []
    for member in split_outside_quotes(accept, ","):
        media = parse_media_type(member)
        if media is None or (media.type == "*" and media.subtype != "*"):
            continue
        parameters = dict(media.parameters)
        weight = read_weight(parameters.pop("q", "1"))
        # Everything we write is UTF-8, so "application/json; charset=utf-8" asks for what we offer.
        if parameters.get("charset", "").lower() in _UTF8:
            del parameters["charset"]
        if weight is not None:
            wishes.append(_Wish(media.type, media.subtype, parameters, weight))
    return wishes


def prefers(accept: str | None, offered: Sequence[str]) -> str | None:
    """The one of `offered` that `accept` wants most, or None when it wants none of them (406).

    `offered` stands in our own order of preference. The most specific member that fits an offer gives its
    weight. Among equal weights the offer that is named more exactly wins, so `application/problem+json, */*` is
    a wish for problem details; then the one named earlier; then ours. No header, an empty one and one that
    nobody can read say nothing.
    """
    if not accept or accept == "*/*" or accept == offered[0]:
        return offered[0]
    wishes = _read_wishes(accept)
    if not wishes:
        return offered[0]
    best: str | None = None
    best_rank: tuple[float, int, int] = (0.0, 0, 0)
    for text in offered:
        offer = parse_media_type(text)
        if offer is None:
            raise ValueError(f"{text!r} is offered but is no content type.")
        fit, at = max((wish.fit(offer), -place) for place, wish in enumerate(wishes))
        rank = (wishes[-at].weight, fit, at)
        if fit and rank[0] > 0 and (best is None or rank > best_rank):
            best, best_rank = text, rank
    return best
