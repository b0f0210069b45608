"""Plans the order in which services open, from what each one needs, before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.secrets import Secret
from antiphon.core.service import Provider, Scoped, Service
from antiphon.core.settings import Settings


class Step(NamedTuple):
    """One service to open, and who asked for it first."""

    service: Service[Any]
    wanted_by: str


class Asker(NamedTuple):
    """Who needs something without being a provider: an action, a transport, a module."""

    name: str


type Path = tuple[Provider[Any] | Asker, ...]
"""Who needs whom, from the first asker on."""


class Plan(NamedTuple):
    """The services in the order of opening, and the settings that they and the rest ask for."""

    steps: tuple[Step, ...]
    sections: tuple[type[Settings], ...]


class Planner:
    """Finds what is needed. Every problem is a SetupError with the path that led to it."""

    def __init__(
        self, services: Sequence[Service[Any]], catalogue: Sequence[Provider[Any]], given: Iterable[type]
    ) -> None:
        self._own = services
        self._all: list[Service[Any]] = list(services)
        self._standard: list[Scoped[Any]] = []
        for provider in catalogue:
            if isinstance(provider, Service):
                self._all.append(provider)
            elif isinstance(provider, Scoped):
                self._standard.append(provider)
        self._given = frozenset(given)
        self._scoped: dict[type, Scoped[Any]] = {}
        self._steps: list[Step] = []
        self._done: set[Provider[Any]] = set()
        self._sections: dict[type[Settings], None] = {}

    def plan(
        self, wanted: Iterable[tuple[str, type]], scoped: Iterable[Scoped[Any]], joining: Iterable[type] = ()
    ) -> Plan:
        """The order for the application's own services, whatever `wanted` names, and what scoped things need.

        What is `joining` opens last, and only where everything that it needs is open anyway.
        """
        own = list(scoped)
        self._scoped = {provider.gives: provider for provider in (*self._standard, *own)}
        for service in self._own:
            self._visit(service, "the application", ())
        for provider in own:
            self._visit_scoped(provider, ())
        for who, kind in wanted:
            self._want(kind, (Asker(who),), optional=False)
        for kind in joining:
            service = self._giver(kind)
            if service is not None and all(self._is_open(need.type) for need in service.needs):
                self._visit(service, "what is open already", ())
        return Plan(tuple(self._steps), tuple(self._sections))

    def _is_open(self, kind: Any) -> bool:
        if kind in self._given or (isinstance(kind, type) and issubclass(kind, Settings)):
            return True
        return self._giver(kind) in self._done

    def _visit(self, service: Service[Any], wanted_by: str, path: Path) -> None:
        if service in self._done:
            return
        self._visit_needs(service, path)
        self._done.add(service)
        self._steps.append(Step(service, wanted_by))

    def _visit_scoped(self, scoped: Scoped[Any], path: Path) -> None:
        if scoped not in self._done:
            self._visit_needs(scoped, path)
            self._done.add(scoped)

    def _visit_needs(self, provider: Provider[Any], path: Path) -> None:
        if provider in path:
            circle = _words((*path[path.index(provider) :], provider))
            raise SetupError(
                f"The services need each other in a circle: {circle}. Take one need out ({provider.where})."
            )
        for need in provider.needs:
            self._want(need.type, (*path, provider), optional=need.optional)

    def _want(self, kind: Any, path: Path, *, optional: bool) -> None:
        if isinstance(kind, type) and issubclass(kind, Settings):
            self._sections[kind] = None
            return
        if kind in self._given:
            return
        if kind is Context or kind in self._scoped:
            _refuse_lasting(kind, path)
            if kind is not Context:
                self._visit_scoped(self._scoped[kind], path)
            return
        service = self._giver(kind)
        if service is not None and (not optional or self._can_open(service, ())):
            self._visit(service, path[-1].name, path)
        elif not optional:
            name = _name(kind)
            raise SetupError(
                f"Nothing gives {name}, which is needed: {_words(path)} → {name}. "
                f"Add the module whose @service yields a {name}, or pass one as App(values=[...])."
            )

    def _can_open(self, service: Service[Any], asked: tuple[Service[Any], ...]) -> bool:
        """Whether everything is there that it cannot do without: an application without a schema has no database."""
        for need in service.needs:
            kind: Any = need.type
            if need.optional or kind in self._given or kind in self._scoped or kind is Context:
                continue
            if isinstance(kind, type) and issubclass(kind, Settings):
                continue
            giver = self._giver(kind)
            if giver is None or (giver not in asked and not self._can_open(giver, (*asked, service))):
                return False
        return True

    def _giver(self, kind: Any) -> Service[Any] | None:
        return next(
            (service for service in self._all if kind in getattr(service.gives, "__mro__", (service.gives,))), None
        )


def _words(path: Path) -> str:
    return " → ".join(asker.name for asker in path)


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


def _refuse_lasting(kind: Any, path: Path) -> None:
    """What lives as long as a call cannot be a need of what lives as long as the application."""
    asker = path[-1]
    if isinstance(asker, Service):
        raise SetupError(
            f"The service {asker.name} needs {_name(kind)}, which there is only within a call: {_words(path)}. "
            f"Make it @scoped as well ({asker.where})."
        )


class Services:
    """The open services of a running application, found by type."""

    def __init__(self, given: Mapping[type, object]) -> None:
        self.by_type: dict[type, object] = dict(given)
        self._fulfils: dict[Any, object | None] = {}
        self._looked_through = 0
        self._open: list[tuple[str, AbstractAsyncContextManager[object]]] = []

    async def open(self, step: Step) -> object:
        """Open one service. What it needs must be open."""
        needs: list[object] = []
        for need in step.service.needs:
            found = self.find(need.type)
            if found is None and not need.optional:
                raise SetupError(f"{step.service.name} needs {need.type.__name__}, which is not open.")
            needs.append(found)
        opening = asynccontextmanager(step.service.open)(*needs)
        opened = await opening.__aenter__()
        self._open.append((step.service.name, opening))
        self.by_type[step.service.gives] = opened
        return opened

    def find(self, kind: Any) -> object | None:
        """The service of this type or of a type that fulfils it, or None."""
        found = self.by_type.get(kind)
        if found is not None:
            return found
        if self._looked_through != len(self.by_type):
            self._fulfils.clear()
            self._looked_through = len(self.by_type)
        if kind not in self._fulfils:
            # Kept, or every call would look through all of them for who identifies it.
            self._fulfils[kind] = next(
                (value for given, value in self.by_type.items() if kind in getattr(given, "__mro__", ())), None
            )
        return self._fulfils[kind]

    def secrets(self) -> list[Secret[Any]]:
        """Every secret among the settings, for the log to mask."""
        sections = [value for value in self.by_type.values() if isinstance(value, Settings)]
        values = [getattr(section, name) for section in sections for name in section.__struct_fields__]
        return [value for value in values if isinstance(value, Secret)]

    async def close(self) -> None:
        """Close everything in reverse, each part even when others fail. Raises the failures together."""
        failures: list[BaseException] = []
        while self._open:
            name, opening = self._open.pop()
            try:
                await opening.__aexit__(None, None, None)
            except BaseException as error:  # noqa: BLE001  # the other services must still close, whatever it is
                error.add_note(f"while closing the service {name}")
                failures.append(error)
        raise_together("Some services did not close", failures)


def raise_together(message: str, failures: Sequence[BaseException]) -> None:
    """Raise what went wrong while everything was being closed; a cancellation or an exit stays what it is."""
    for failure in failures:
        if not isinstance(failure, Exception):
            raise failure
    if failures:
        raise ExceptionGroup(message, [failure for failure in failures if isinstance(failure, Exception)])
