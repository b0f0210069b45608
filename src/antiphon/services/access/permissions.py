"""Permissions: what they say, which of them covers which, and the widest scope that a set of them grants."""

# A permission is `resource:action:scope`. Each of the first two is a word or `*`; the scope is one of three, and each
# of them holds those before it:
#
#     own < tenant < any
#
# A asks for less than B, or the same (A <= B), when B's resource and action are A's own or `*`, and B's scope is at
# least as wide. Whoever holds B may do A. So `*:*:any` is everything, and `order:*:tenant` is neither more nor less
# than `order:edit:any`.
#
# A set of permissions is asked one question: how wide may it do `resource:action`? The answer is the widest scope of
# those that fit, or none. An API key holds a set of its own, and gets the narrower of what both say.

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple, Self

from antiphon.core.errors import SetupError

type Scope = Literal["", "own", "tenant", "any"]
"""How far a right reaches: one's own objects, those of the tenant, or all; empty where there is no right."""

WIDTHS: dict[str, int] = {"": 0, "own": 1, "tenant": 2, "any": 3}
"""The scopes from none to the widest."""

_BY_WIDTH: tuple[Scope, ...] = ("", "own", "tenant", "any")
_WORD = r"(?:[a-z][a-z0-9-]*|\*)"
_RIGHT = re.compile(rf"({_WORD}):({_WORD})")
_PERMISSION = re.compile(rf"({_WORD}):({_WORD}):(own|tenant|any)")


class Permission(NamedTuple):
    """One permission, such as `order:edit:own`."""

    resource: str
    action: str
    scope: Scope

    @classmethod
    def read(cls, text: str) -> Self:
        """The permission that a text says. Raises SetupError for any other text."""
        found = _PERMISSION.fullmatch(text)
        if found is None:
            raise SetupError(
                f"{text!r} is no permission. Write resource:action:scope, such as order:edit:own, with the scope own, "
                f"tenant or any; * may stand for the resource or the action."
            )
        return cls(found[1], found[2], _BY_WIDTH[WIDTHS[found[3]]])

    def fits(self, resource: str, action: str) -> bool:
        """Whether it is about this action on this resource, in whatever scope."""
        return self.resource in (resource, "*") and self.action in (action, "*")

    def covers(self, other: Permission) -> bool:
        """Whether whoever holds this one may do all that the other allows."""
        return self.fits(other.resource, other.action) and WIDTHS[self.scope] >= WIDTHS[other.scope]

    def __str__(self) -> str:
        return f"{self.resource}:{self.action}:{self.scope}"


class Permissions(frozenset[Permission]):
    """A set of permissions."""

    @classmethod
    def read(cls, texts: Iterable[str]) -> Self:
        """The permissions that these texts say. Raises SetupError for a text that is none."""
        return cls(map(Permission.read, texts))

    @classmethod
    def readable(cls, texts: Iterable[str]) -> Self:
        """The permissions among texts that were kept long ago. What is no permission any more allows nothing."""
        return cls.read(text for text in texts if _PERMISSION.fullmatch(text))

    def widest(self, resource: str, action: str) -> Scope:
        """The widest scope in which this may be done; empty when it may not."""
        return _BY_WIDTH[max((WIDTHS[each.scope] for each in self if each.fits(resource, action)), default=0)]

    def cover(self, other: Iterable[Permission]) -> bool:
        """Whether each of the others is covered by one of these."""
        return all(any(mine.covers(each) for mine in self) for each in other)


def read_right(text: str) -> tuple[str, str]:
    """Resource and action of `order:edit`. Raises ValueError for any other text, wildcards included."""
    found = _RIGHT.fullmatch(text)
    if found is None or "*" in text:
        raise ValueError(f"{text!r} is no right to ask for. Write resource:action, such as can('order:edit').")
    return found[1], found[2]


def narrower(one: Scope, other: Scope) -> Scope:
    """The scope that both allow."""
    return one if WIDTHS[one] <= WIDTHS[other] else other
