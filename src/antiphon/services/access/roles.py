"""Roles: what each holds, which others it includes, and what somebody with several of them may do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from antiphon.core.caller import Caller
from antiphon.core.errors import SetupError
from antiphon.core.service import service
from antiphon.services.access.permissions import Permission, Permissions, Scope, narrower

ADMIN = "admin"
"""The role that there always is. Unless an application says otherwise it holds everything."""

MOST_REMEMBERED = 1_000
"""The combinations of roles whose permissions are kept joined."""


@dataclass(frozen=True)
class Role:
    """A role: its permissions (`order:edit:own`) and the names of the roles whose permissions it holds as well."""

    name: str
    permissions: Iterable[str] = ()
    includes: Iterable[str] = ()


class Grant(NamedTuple):
    """Why somebody may do something: a permission, and the roles that led to it, the one they hold first."""

    permission: Permission
    trail: tuple[str, ...]


class Roles:
    """The roles of an application, given as `App(values=[Roles(Role("editor", ["order:edit:own"]), …)])`.

    Raises SetupError that names every cycle, unknown role, repeated name and permission that is none.
    """

    def __init__(self, *roles: Role) -> None:
        problems: list[str] = []
        self._own: dict[str, Permissions] = {}
        self._includes: dict[str, tuple[str, ...]] = {}
        for role in roles:
            if role.name in self._own:
                problems.append(f"Two roles are called {role.name}. Rename one, or join them.")
            self._includes.setdefault(role.name, tuple(role.includes))
            self._own.setdefault(role.name, _read(role, problems))
        if ADMIN not in self._own:
            self._own[ADMIN], self._includes[ADMIN] = Permissions([Permission("*", "*", "any")]), ()
        problems += self._unknown() or self._cycles()
        if problems:
            raise SetupError(*problems)
        self._whole = {name: self._join(name) for name in self._own}
        self._joined: dict[frozenset[str], Permissions] = {}
        self._keys: dict[frozenset[str], Permissions] = {}

    @property
    def names(self) -> list[str]:
        """Every role, in alphabetical order."""
        return sorted(self._own)

    def __contains__(self, name: str) -> bool:
        return name in self._own

    def own(self, name: str) -> Permissions:
        """What a role adds by itself."""
        return self._own[name]

    def includes(self, name: str) -> tuple[str, ...]:
        """The roles that a role names."""
        return self._includes[name]

    def of(self, names: frozenset[str]) -> Permissions:
        """What somebody with these roles may do. A role that is no longer declared grants nothing.

        It follows from the names alone, so it needs no database, and no node can be behind another.
        """
        found = self._joined.get(names)
        if found is None:
            found = Permissions(each for name in names for each in self._whole.get(name, ()))
            _remember(self._joined, names, found)
        return found

    def widest(self, caller: Caller, resource: str, action: str) -> Scope:
        """How wide the caller may do this; empty when they may not. The system may do everything."""
        if caller.kind == "system":
            return "any"
        scope = self.of(caller.roles).widest(resource, action) if caller.kind == "user" else ""
        if scope and caller.permissions is not None:
            scope = narrower(scope, self._of_key(caller.permissions).widest(resource, action))
        return scope

    def held_by(self, caller: Caller) -> Permissions:
        """What the caller may do, for those who pass rights on: with an API key, what both it and the user hold."""
        if caller.kind == "system":
            return Permissions([Permission("*", "*", "any")])
        held = self.of(caller.roles) if caller.kind == "user" else Permissions()
        if caller.permissions is None:
            return held
        keys = self._of_key(caller.permissions)
        return Permissions(meet for one in held for other in keys if (meet := _meet(one, other)) is not None)

    def grants(self, names: Iterable[str], resource: str, action: str) -> list[Grant]:
        """Each way in which one of these roles allows this, the widest first."""
        found = [grant for name in sorted(names) if name in self._own for grant in self._grants((name,))]
        fitting = [grant for grant in found if grant.permission.fits(resource, action)]
        order = ("any", "tenant", "own")
        return sorted(fitting, key=lambda grant: (order.index(grant.permission.scope), grant.trail))

    def _of_key(self, texts: frozenset[str]) -> Permissions:
        found = self._keys.get(texts)
        if found is None:
            found = Permissions.readable(texts)
            _remember(self._keys, texts, found)
        return found

    def _grants(self, trail: tuple[str, ...]) -> Iterable[Grant]:
        for permission in sorted(self._own[trail[-1]]):
            yield Grant(permission, trail)
        for included in self._includes[trail[-1]]:
            yield from self._grants((*trail, included))

    def _join(self, name: str) -> Permissions:
        return Permissions(grant.permission for grant in self._grants((name,)))

    def _unknown(self) -> list[str]:
        return [
            f"The role {name} includes {included}, which nobody declares. Declare Role({included!r}), or take it out."
            for name, names in self._includes.items()
            for included in names
            if included not in self._own
        ]

    def _cycles(self) -> list[str]:
        done: set[str] = set()
        problems: list[str] = []

        def visit(name: str, trail: tuple[str, ...]) -> None:
            if name in trail:
                circle = " → ".join((*trail[trail.index(name) :], name))
                problems.append(f"The roles include each other in a circle: {circle}. Take one of them out.")
            elif name not in done:
                for included in self._includes[name]:
                    visit(included, (*trail, name))
                done.add(name)

        for name in self._includes:
            visit(name, ())
        return problems


def _remember(kept: dict[frozenset[str], Permissions], names: frozenset[str], found: Permissions) -> None:
    if len(kept) >= MOST_REMEMBERED:
        kept.clear()
    kept[names] = found


def _read(role: Role, problems: list[str]) -> Permissions:
    found: set[Permission] = set()
    for text in role.permissions:
        try:
            found.add(Permission.read(text))
        except SetupError as error:
            problems += [f"The role {role.name}: {problem}" for problem in error.problems]
    return Permissions(found)


def _meet(one: Permission, other: Permission) -> Permission | None:
    """What both allow, or None."""
    words: list[str] = []
    for mine, theirs in zip(one[:2], other[:2], strict=True):
        if mine != theirs and "*" not in (mine, theirs):
            return None
        words.append(theirs if mine == "*" else mine)
    return Permission(words[0], words[1], narrower(one.scope, other.scope))


@service
async def roles() -> AsyncIterator[Roles]:
    """The roles of an application that declares none: `admin`."""
    yield Roles()
