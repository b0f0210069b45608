"""What the first process of a crew reads and holds for its workers: settings, listening sockets, the embedded store."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple, Protocol, cast, runtime_checkable

from antiphon.core.app import App
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger, Silent
from antiphon.core.opening import Plan, Services
from antiphon.core.settings import Settings
from antiphon.stores.redis import RedisSettings, embedded_valkey
from antiphon.transports.cli.crew import Doors

type Sections = Mapping[type[Settings], Settings]


class OwnDoors(Doors, Protocol):
    """Listening sockets that were opened here."""

    def close(self) -> None:
        """Close them, and leave nothing behind."""
        ...


@runtime_checkable
class Shareable(Protocol):
    """A transport that listens, and that several processes can serve together."""

    def workers(self, settings: Sections) -> int:
        """How many processes are to serve."""
        ...

    def open_doors(self, settings: Sections, copies: int) -> OwnDoors:
        """The listening sockets for so many processes. Raises SetupError."""
        ...


class Ground(NamedTuple):
    """An application as far as it is known before anything of it is opened."""

    app: App
    plan: Plan
    given: Mapping[type, object]
    sections: Sections
    shareable: Shareable | None

    @classmethod
    def of(cls, app: App, environ: Mapping[str, str]) -> Ground:
        """Read the program and the settings. Raises SetupError for whatever is wrong with them."""
        plan = app.plan(app.gathered())
        given, sections = app.read_settings(plan, environ)
        shareable = next((each for each in app.transports if isinstance(each, Shareable)), None)
        return cls(app, plan, given, sections, shareable)

    @property
    def workers(self) -> int:
        """How many processes are to serve."""
        return self.shareable.workers(self.sections) if self.shareable is not None else 1


@asynccontextmanager
async def on_ground(ground: Ground, shareable: Shareable, copies: int) -> AsyncGenerator[tuple[OwnDoors, Logger]]:
    """The sockets and the log of the first process, with the embedded store open, for as long as the block runs.

    A store that a worker had started would end with that worker; this process outlives them all.
    """
    services = Services(ground.given)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(services.close)
        log = await _log(ground.plan, services)
        # First of all: that the port is taken is the likeliest fault, and nothing has to be undone for it.
        doors = shareable.open_doors(ground.sections, copies)
        stack.callback(doors.close)
        if RedisSettings in ground.sections:
            settings = cast("RedisSettings", ground.sections[RedisSettings])
            valkey = embedded_valkey(settings, cast("AppInfo", services.find(AppInfo)), log)
            if valkey is not None:
                await stack.enter_async_context(valkey)
        yield doors, log


async def _log(plan: Plan, services: Services) -> Logger:
    for step in plan.steps:
        needs = [need for need in step.service.needs if not need.optional]
        if step.service.gives is Logger and all(services.find(need.type) is not None for need in needs):
            log = cast("Logger", await services.open(step))
            log.hide(*services.secrets())
            return log
    return Silent()
