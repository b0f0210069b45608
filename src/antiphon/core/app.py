"""The application on one page: modules, transports, middleware, settings; and its life from start to stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, TypeVar, cast

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.core.audit import Auditor
from antiphon.core.channel import ChannelTable, Publisher
from antiphon.core.clock import Clock, Ids, RandomIds, SystemClock
from antiphon.core.errors import SetupError
from antiphon.core.event import EventTable
from antiphon.core.idempotency import Idempotency
from antiphon.core.info import AppInfo
from antiphon.core.job import Events
from antiphon.core.log import Logger, Silent
from antiphon.core.middleware import Middleware
from antiphon.core.module import Gathered, Module, gather
from antiphon.core.opening import Plan, Planner, Services, raise_together
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background, Provider, Scoped
from antiphon.core.settings import Settings, doc, environment_of, settings_files, survey
from antiphon.core.tally import Tallies
from antiphon.core.transport import Transport

T = TypeVar("T")


class AppSettings(Settings, frozen=True):
    """What concerns the application as a whole."""

    section: ClassVar[str] = "app"

    folder: Annotated[
        Path, doc("The folder for data that the application keeps itself, such as its embedded stores.")
    ] = Path("var")


class App:
    """A backend: what it can do (modules), how it is reached (transports), and what stands around every call.

    Nothing is imported, read or opened before `start`. Two applications can live in one process.
    """

    catalogue: ClassVar[Sequence[Provider[Any]]] = ()
    """What is there when something needs it, beside what the modules define."""

    def __init__(
        self,
        name: str,
        *,
        version: str = "0.0.0",
        modules: Iterable[Module | ModuleType | str] = (),
        transports: Iterable[Transport] = (),
        middleware: Sequence[Middleware] = (),
        values: Iterable[object] = (),
        settings: Mapping[str, Mapping[str, object]] | None = None,
        folder: Path | str = ".",
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.modules = tuple(modules)
        self.transports = tuple(transports)
        self.middleware = tuple(middleware)
        self.values = tuple(values)
        self.settings = dict(settings or {})
        self.folder = Path(folder)
        self.clock: Clock = clock or SystemClock()
        self.ids: Ids = ids or RandomIds()
        self.runtime: Runtime | None = None
        self._services: Services | None = None
        self._gathered: tuple[object, Gathered] | None = None
        self._started: list[Transport] = []

    # initialise: everything that can be wrong with the program is found here, and nothing is opened

    def gathered(self) -> Gathered:
        """What the modules define. Raises SetupError for every action without a rule and trait that does not fit.

        Looked at once: what a command line has found is what it then starts.
        """
        if self._gathered is None or self._gathered[0] is not self.modules:
            self._gathered = (self.modules, self._gather())
        return self._gathered[1]

    def _gather(self) -> Gathered:
        gathered = gather(self.modules)
        problems = [problem for action in gathered.actions for problem in _problems(action)]
        problems += [problem for channel in gathered.channels for problem in channel.problems()]
        problems += [problem for event in gathered.events for problem in event.problems()]
        if problems:
            raise SetupError(*problems)
        ChannelTable(gathered.channels)
        EventTable(gathered.events)
        return gathered

    def plan(self, gathered: Gathered) -> Plan:
        """Which services open, in which order, and which settings are read."""
        wanted: list[tuple[str, type]] = list(gathered.needs)
        for action in gathered.actions:
            wanted += [(action.name, need) for trait in action.traits for need in trait.needs]
        wanted += [(channel.name, Publisher) for channel in gathered.channels]
        wanted += [(event.name, Events) for event in gathered.events]
        for transport in self.transports:
            wanted += [(transport.name, need) for need in transport.needs]
        if any(provider.gives is Logger for provider in (*gathered.services, *self.catalogue)):
            wanted.insert(0, ("the application", Logger))
        wanted.append(("the application", AppSettings))
        given: list[Any] = [Clock, Ids, AppInfo, Tallies, *map(type, self.values)]
        planner = Planner(gathered.services, self.catalogue, given)
        return planner.plan(wanted, gathered.scoped, joining=[Idempotency, Auditor])

    # start

    async def start(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Mapping[str, object]] | None = None,
        listen: bool | Collection[str] = False,
    ) -> Runtime:
        """Open the services in the order of need and prepare the transports; with `listen`, let calls arrive.

        `listen` names the transports that do, or is True for each of them. `defaults` are settings beneath those of the
        application. What was opened is closed again if a step fails.
        """
        if self.runtime is not None:
            raise SetupError(f"{self.name} is running already.")
        gathered = self.gathered()
        plan = self.plan(gathered)
        given, sections = self.read_settings(plan, environ, defaults)
        self._services = services = Services(given)
        try:
            log = await self._open(plan, services)
            runtime = self._runtime(gathered, services, sections, log)
            for transport in self.transports:
                services.by_type[type(transport)] = transport
                self._started.append(transport)
                transport.prepare(runtime)
            self.runtime = runtime
            if listen:
                await self._listen(runtime, listen)
        except BaseException as error:
            try:
                await self.stop()
            except Exception as another:  # noqa: BLE001  # what stopped the start is what has to be mended
                error.add_note(f"Stopping after it failed as well: {another!r}")
            raise
        return runtime

    async def _listen(self, runtime: Runtime, listen: bool | Collection[str]) -> None:  # noqa: FBT001  # as `start` was given it
        listening = [
            transport
            for transport in self.transports
            if listen is True or (not isinstance(listen, bool) and transport.name in listen)
        ]
        runtime.listening = frozenset(transport.name for transport in listening)
        for service in {id(service): service for service in runtime.services.values()}.values():
            if isinstance(service, Background):
                await service.begin(runtime)
        for transport in listening:
            await transport.listen()

    def _runtime(
        self, gathered: Gathered, services: Services, sections: Mapping[type[Settings], Settings], log: Logger
    ) -> Runtime:
        runtime = Runtime(
            info=cast("AppInfo", services.find(AppInfo)),
            clock=self.clock,
            ids=self.ids,
            log=log,
            actions=gathered.actions,
            channels=ChannelTable(gathered.channels),
            events=EventTable(gathered.events),
            scoped={scoped.gives: scoped for scoped in (*self._standard_scoped(), *gathered.scoped)},
            middleware=self.middleware,
            settings=sections,
            opened=services,
            tallies=cast("Tallies", services.find(Tallies)),
        )
        runtime.logs_calls = log.tells("info")
        return runtime

    def read_settings(
        self,
        plan: Plan,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Mapping[str, object]] | None = None,
    ) -> tuple[dict[Any, object], dict[type[Settings], Settings]]:
        """What services are given without being asked for it, and the sections of the settings. Raises SetupError."""
        given, sections, problems = self.survey_settings(plan, environ, defaults)
        if problems:
            raise SetupError(*problems)
        return given, sections

    def survey_settings(
        self,
        plan: Plan,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Mapping[str, object]] | None = None,
    ) -> tuple[dict[Any, object], dict[type[Settings], Settings], list[str]]:
        """The same with what is wrong instead of an error, and only the sections that can be read."""
        environ = os.environ if environ is None else environ
        environment = environment_of(environ)
        merged = {section: dict(values) for section, values in (defaults or {}).items()}
        for section, values in self.settings.items():
            merged.setdefault(section, {}).update(values)
        loaded, problems = survey(
            plan.sections,
            defaults=merged,
            files=settings_files(self.folder, environment),
            environ=environ,
            environment=environment,
            dotenv=self.folder / ".env",
        )
        sections = {section: loaded[section] for section in plan.sections if section in loaded}
        own = loaded[AppSettings] if AppSettings in loaded else AppSettings()
        info = AppInfo(self.name, self.version, environment, self.folder / own.folder)
        given: dict[Any, object] = {Clock: self.clock, Ids: self.ids, AppInfo: info, Tallies: Tallies()}
        given |= {type(value): value for value in self.values}
        return given | sections, sections, problems

    async def _open(self, plan: Plan, services: Services) -> Logger:
        log: Logger = Silent()
        for step in plan.steps:
            opened = await services.open(step)
            if step.service.gives is Logger:
                log = cast("Logger", opened)
                log.hide(*services.secrets())
            log.debug("service.opened", service=step.service.name, wanted_by=step.wanted_by)
        return log

    def _standard_scoped(self) -> list[Scoped[Any]]:
        return [provider for provider in self.catalogue if isinstance(provider, Scoped)]

    # stop

    async def stop(self) -> None:
        """Drain and stop the transports, then close the services in reverse, each even when others fail."""
        failures: list[BaseException] = []
        started, self._started = self._started, []
        services, self._services = self._services, None
        runtime, self.runtime = self.runtime, None
        # All at once: a transport that waits for its clients must not keep another one taking new ones.
        steps: list[Callable[[], Any]] = [lambda: _all([transport.drain() for transport in reversed(started)])]
        steps += [transport.stop for transport in reversed(started)]
        if services is not None:
            steps.append(services.close)
        for step in steps:
            try:
                await step()
            except BaseException as error:  # noqa: BLE001  # the other parts must still close, whatever it is
                failures.append(error)
        if runtime is not None:
            runtime.calls.close()
        raise_together(f"{self.name} did not stop cleanly", failures)

    @asynccontextmanager
    async def running(
        self,
        *,
        environ: Mapping[str, str] | None = None,
        defaults: Mapping[str, Mapping[str, object]] | None = None,
        listen: bool | Collection[str] = False,
    ) -> AsyncGenerator[Runtime]:
        """The application, started for as long as the block runs."""
        runtime = await self.start(environ=environ, defaults=defaults, listen=listen)
        try:
            yield runtime
        finally:
            await self.stop()

    def transport(self, kind: type[T]) -> T:
        """The transport of this kind. Raises SetupError when the application has none."""
        for transport in self.transports:
            if isinstance(transport, kind):
                return transport
        raise SetupError(f"{self.name} has no {kind.__name__} transport. Add it: App(transports=[{kind.__name__}()]).")


async def _all(steps: Iterable[Awaitable[None]]) -> None:
    outcomes = await asyncio.gather(*steps, return_exceptions=True)
    raise_together("Draining failed", [outcome for outcome in outcomes if outcome is not None])


def _problems(action: AnyAction) -> Iterable[str]:
    """What is wrong with one action."""
    try:
        if action.trait(Allow) is None:
            yield (
                f"{action.where}: the action {action.name} does not say who may call it. "
                f"Add allow(...) to its traits, such as allow(signed_in); allow(anyone) opens it to everybody."
            )
        _ = action.schema
        for problem in action.result_problems:
            yield f"{action.where}: the result of {action.name} {problem}"
        for trait in action.traits:
            yield from trait.problems(action)
    except SetupError as error:
        yield from error.problems
