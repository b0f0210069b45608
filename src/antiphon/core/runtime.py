"""A started application: its settings, services, runners and running calls. One per App, and nothing is global."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.calls import Calls
from antiphon.core.channel import ChannelTable
from antiphon.core.clock import Clock, Ids
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.event import EventTable
from antiphon.core.health import HealthCheck
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.middleware import Middleware
from antiphon.core.runner import Runner
from antiphon.core.service import Scoped
from antiphon.core.settings import Settings
from antiphon.core.tally import Tallies

if TYPE_CHECKING:
    from antiphon.core.opening import Services

T = TypeVar("T")
S = TypeVar("S", bound=Settings)

CALL_SECONDS = 30.0
"""The time of a call when no transport sets another."""

MOST_CALLS = 1_000
"""The calls at once when no transport sets another number."""


class Runtime:
    """What runs. Transports are given it when they are prepared, and make calls through its runners."""

    def __init__(
        self,
        *,
        info: AppInfo,
        clock: Clock,
        ids: Ids,
        log: Logger,
        actions: Sequence[AnyAction],
        channels: ChannelTable,
        events: EventTable,
        scoped: Mapping[type, Scoped[Any]],
        middleware: Sequence[Middleware],
        settings: Mapping[type[Settings], Settings],
        opened: Services,
        tallies: Tallies,
    ) -> None:
        self.info = info
        self.clock = clock
        self.ids = ids
        self.log = log
        self.actions = {action.name: action for action in actions}
        self.channels = channels
        self.events = events
        self.scoped = scoped
        self.services = opened.by_type
        self.tallies = tallies
        self.calls = Calls(clock, MOST_CALLS)
        self.call_seconds = CALL_SECONDS
        self.logs_calls = True
        self.listening: frozenset[str] = frozenset()
        """The transports through which calls arrive; none while a command runs."""
        self.ask_to_end: Callable[[str], None] | None = None
        """Ends the process in good order, for this reason, where somebody starts it anew; None where nobody would."""
        self.started_at = clock.now()
        self._settings = settings
        self._opened = opened
        self._middleware = list(middleware)
        self._runners: dict[str, Runner] = {}

    def apart(self, *, most_calls: int, call_seconds: float) -> Self:
        """The same application for calls that are counted and ended by themselves, such as jobs beside requests.

        A drain of the one does not wait for the calls of the other, nor cancel them.
        """
        other = copy(self)
        other.calls = Calls(self.clock, most_calls)
        other.call_seconds = call_seconds
        # Each has the times and the calls of its runtime compiled into it.
        other._runners = {}
        return other

    def runner(self, name: str) -> Runner:
        """The runner of an action, compiled at first use. Raises KeyError for a name that is no action."""
        runner = self._runners.get(name)
        if runner is None:
            runner = self._runners[name] = Runner(self, self.actions[name], self._middleware)
        return runner

    def runner_of(self, action: AnyAction) -> Runner:
        """The runner of an action that callers do not know by name, such as a listener; compiled anew."""
        return Runner(self, action, self._middleware)

    def find(self, kind: type[T]) -> T | None:
        """The service of this type, or one that fulfils it, or None."""
        return cast("T | None", self._opened.find(kind))

    def require(self, kind: type[T], asker: str) -> T:
        """The service of this type. Raises SetupError, naming who asks, when there is none."""
        found = self.find(kind)
        if found is None:
            raise SetupError(
                f"{asker} needs a {kind.__name__}, which nothing here gives. "
                f"Add Module(__name__, needs=[{kind.__name__}])."
            )
        return found

    def settings(self, kind: type[S]) -> S:
        """A section of the settings."""
        return cast("S", self._settings[kind])

    def health_checks(self) -> list[HealthCheck]:
        """Every open service that can be away, by name."""
        checks = {id(service): service for service in self.services.values() if isinstance(service, HealthCheck)}
        return sorted(checks.values(), key=lambda check: check.health_name)

    def context(
        self,
        action: AnyAction,
        connection: Connection,
        *,
        request_id: str = "",
        caller: Caller | None = None,
    ) -> Context:
        """A context for one call with its whole time, under this request id or one of its own."""
        deadline = self.clock.monotonic() + self.runner(action.name).seconds
        ctx = Context(self, action.name, connection, request_id, deadline, action.reads_only)
        if caller is not None:
            ctx.become(caller)
        return ctx
