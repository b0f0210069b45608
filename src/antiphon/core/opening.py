"""Plans the order in which services open, from what each one needs, before anything is opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple

from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.service import Provider, Scoped, Service
from antiphon.core.settings import Settings


class Step(NamedTuple):
    """One service to open, and who asked for it first."""

    service: Service[Any]
    wanted_by: str


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
        self._done: set[Service[Any]] = set()
        self._sections: dict[type[Settings], None] = {}

    def plan(self, wanted: Iterable[tuple[str, type]], scoped: Iterable[Scoped[Any]]) -> Plan:
        """The order for the application's own services, whatever `wanted` names, and what scoped things need."""
        own = list(scoped)
        self._scoped = {provider.gives: provider for provider in (*self._standard, *own)}
        for service in self._own:
            self._visit(service, "the application", ())
        for provider in own:
            self._visit_needs(provider, (provider.name,))
        for who, kind in wanted:
            self._want(kind, who, (who,), optional=False)
        return Plan(tuple(self._steps), tuple(self._sections))

    def _visit(self, service: Service[Any], wanted_by: str, path: tuple[str, ...]) -> None:
        if service in self._done:
            return
        if service.name in path:
            circle = " → ".join((*path[path.index(service.name) :], service.name))
            raise SetupError(
                f"The services need each other in a circle: {circle}. Take one need out ({service.where})."
            )
        self._visit_needs(service, (*path, service.name))
        self._done.add(service)
        self._steps.append(Step(service, wanted_by))

    def _visit_needs(self, provider: Provider[Any], path: tuple[str, ...]) -> None:
        for need in provider.needs:
            self._want(need.type, provider.name, path, optional=need.optional)

    def _want(self, kind: type[Any], who: str, path: tuple[str, ...], *, optional: bool) -> None:
        if issubclass(kind, Settings):
            self._sections[kind] = None
            return
        if kind is Context or kind in self._given:
            return
        if kind in self._scoped:
            scoped = self._scoped[kind]
            if scoped.name not in path:
                self._visit_needs(scoped, (*path, scoped.name))
            return
        service = self._giver(kind)
        if service is not None:
            self._visit(service, who, path)
        elif not optional:
            name: str = getattr(kind, "__name__", str(kind))
            raise SetupError(
                f"Nothing gives {name}, which is needed: {' → '.join((*path, name))}. "
                f"Add the module whose @service yields a {name}, or pass one as App(values=[...])."
            )

    def _giver(self, kind: Any) -> Service[Any] | None:
        return next(
            (service for service in self._all if kind in getattr(service.gives, "__mro__", (service.gives,))), None
        )


class Services:
    """The open services of a running application, found by type."""

    def __init__(self, given: Mapping[type, object]) -> None:
        self.by_type: dict[type, object] = dict(given)
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
        return next((value for given, value in self.by_type.items() if kind in getattr(given, "__mro__", ())), None)

    async def close(self) -> None:
        """Close everything in reverse, each part even when others fail. Raises the failures together."""
        failures: list[Exception] = []
        while self._open:
            name, opening = self._open.pop()
            try:
                await opening.__aexit__(None, None, None)
            except Exception as error:  # noqa: BLE001  # the other services must still close
                error.add_note(f"while closing the service {name}")
                failures.append(error)
        if failures:
            raise ExceptionGroup("Some services did not close", failures)
