"""Gathers what a package defines: its actions, channels, events, services and scoped things, from its own files."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from antiphon.core.action import AnyAction
from antiphon.core.channel import AnyChannel
from antiphon.core.errors import SetupError
from antiphon.core.event import EventType, event_type
from antiphon.core.service import Scoped, Service


@dataclass(slots=True)
class Gathered:
    """What the modules of an application define."""

    actions: list[AnyAction] = field(default_factory=list[AnyAction])
    services: list[Service[Any]] = field(default_factory=list[Service[Any]])
    scoped: list[Scoped[Any]] = field(default_factory=list[Scoped[Any]])
    channels: list[AnyChannel] = field(default_factory=list[AnyChannel])
    events: list[EventType] = field(default_factory=list[EventType])
    needs: list[tuple[str, type]] = field(default_factory=list[tuple[str, type]])


class Module:
    """A feature: one package, or one file. Write `module = Module(__name__)` where it begins.

    `needs` names services that the feature uses only through `ctx.get`, so that nothing else declares them.
    """

    def __init__(self, name: str, *, needs: Iterable[type] = ()) -> None:
        self.name = name
        self.needs = tuple(needs)

    def gather(self, into: Gathered) -> None:
        """Import every file of the package and take what it defines. An import that fails is raised as it is."""
        for python in self._files():
            for value in vars(python).values():
                if isinstance(value, type):
                    # An event stays the class that it is, and says where it is from as any class does.
                    if value.__module__ == python.__name__ and (declared := event_type(value)) is not None:
                        into.events.append(declared)
                    continue
                if getattr(value, "module", None) != python.__name__:
                    continue
                if isinstance(value, AnyAction):
                    into.actions.append(value)
                elif isinstance(value, AnyChannel):
                    into.channels.append(value)
                elif isinstance(value, Service):
                    into.services.append(value)  # pyright: ignore[reportUnknownArgumentType]  # whatever it gives
                elif isinstance(value, Scoped):
                    into.scoped.append(value)  # pyright: ignore[reportUnknownArgumentType]  # whatever it gives
        into.needs += [(self.name, need) for need in self.needs]

    def _files(self) -> Iterator[ModuleType]:
        root = importlib.import_module(self.name)
        yield root
        for found in pkgutil.walk_packages(getattr(root, "__path__", ()), prefix=f"{self.name}."):
            # Importing `__main__` would run the program that it is.
            if not found.name.endswith(".__main__"):
                yield importlib.import_module(found.name)


def as_module(given: Module | ModuleType | str) -> Module:
    """The Module that a package declares, or one made for it."""
    if isinstance(given, Module):
        return given
    python = importlib.import_module(given) if isinstance(given, str) else given
    # By name: the package may have imported the Module of another.
    declared = (value for value in vars(python).values() if isinstance(value, Module) and value.name == python.__name__)
    return next(declared, None) or Module(python.__name__)


def gather(modules: Iterable[Module | ModuleType | str]) -> Gathered:
    """Everything the modules define. Raises SetupError when two actions have one name."""
    gathered = Gathered()
    for module in modules:
        as_module(module).gather(gathered)
    gathered.actions = list(dict.fromkeys(gathered.actions))
    gathered.services = list(dict.fromkeys(gathered.services))
    gathered.scoped = list(dict.fromkeys(gathered.scoped))
    gathered.events = sorted(dict.fromkeys(gathered.events), key=lambda event: event.name)
    gathered.channels = sorted(dict.fromkeys(gathered.channels), key=lambda channel: channel.name)
    by_name: dict[str, AnyAction] = {}
    problems: list[str] = []
    for action in gathered.actions:
        other = by_name.setdefault(action.name, action)
        if other is not action:
            problems.append(f"Two actions are called {action.name}: {other.where} and {action.where}. Rename one.")
    if problems:
        raise SetupError(*problems)
    gathered.actions.sort(key=lambda action: action.name)
    return gathered
