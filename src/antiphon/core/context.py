"""The context of one call: who, through what, until when, and what stands by. The only thing an action is given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, cast, overload

import msgspec

from antiphon.core.action import Action, AnyAction, Call, Stream
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.connection import Connection
from antiphon.core.durations import parse_duration
from antiphon.core.errors import SetupError
from antiphon.core.health import Health, health_of
from antiphon.core.info import AppInfo
from antiphon.core.job import Batch, Events, Job, Once, Priority, Run, Snoozed, Tasks, Terms
from antiphon.core.log import Logger
from antiphon.core.session import Identifier, Session, SessionSource
from antiphon.core.tenancy import enter_tenant

if TYPE_CHECKING:
    from antiphon.core.runtime import Runtime

P = ParamSpec("P")
R = TypeVar("R")

type AtEnd = Callable[[BaseException | None], Awaitable[None]]
"""A step at the end of a call: given the error that ends it, or None."""


class Context:
    """One call, from inside.

    Times are UTC; `deadline` is seconds of the application's monotonic clock. What is made once per call
    (`ctx.get`) is shared with the calls made from here, and so is the transaction.
    """

    # What most calls never touch stays with the class: a call pays for what it sets.
    caller: Caller = ANONYMOUS
    # The scope of the rule that let the caller in, and its name; empty where everybody may come in.
    scope = rule = ""
    in_tenant = False
    """Whether the call, or one within it, has said in which tenant it works: of the outermost. With the scope `any` it
    reaches every tenant before that."""
    base: str | None = None
    out_of_time = False
    most_seconds = inf
    facts: list[object] | None = None
    result: object = None
    """What the action gave, for the steps at the end of the call."""
    job: Run | None = None
    """The job that runs this call, or None."""
    client_key: str | None = None
    """The idempotency key as the client sent it, not looked at yet; None when none was sent."""
    idempotency_key = ""
    """What names this call and every repeat of it: a job's id, or an id of caller, action and the client's key. Empty
    without one."""
    _identified = False
    steps: list[AtEnd] | None = None
    """What has to happen before the answer leaves."""
    _made: dict[type, Any] | None = None
    _outer: Context | None = None
    _session: Session | None = None
    _log: Logger | None = None

    def __init__(
        self,
        runtime: Runtime,
        action_name: str,
        connection: Connection,
        request_id: str,
        deadline: float,
        safe: bool,  # noqa: FBT001  # as said below
    ) -> None:
        # All of them, in this order: one is made for every call, and names or defaults make that twice as dear.
        self.runtime = runtime
        self.action_name = action_name
        self.connection = connection
        self._request_id = request_id
        self.deadline = deadline
        self.safe = safe

    @property
    def request_id(self) -> str:
        """The id of the request: in its answer, its errors and every line of the log. Made when first asked for."""
        if not self._request_id:
            self._request_id = self.runtime.ids.uuid7()
        return self._request_id

    # What stands by

    def get(self, kind: type[R]) -> R:
        """A service of the application, or something made once for this call, by its type."""
        if self._made is not None and kind in self._made:
            made: R = self._made[kind]
            return made
        # Both are kept by their type, so what is found is one. Without `cast`, which is a call each time.
        service: R | None = self.runtime.services.get(kind)  # pyright: ignore[reportAssignmentType]  # as just said
        return self._make(kind) if service is None else service

    def _make(self, kind: type[Any]) -> Any:
        provider = self.runtime.scoped.get(kind)
        if provider is None:
            service: Any = self.runtime.find(kind)
            if service is not None:
                return service
            raise SetupError(
                f"The action {self.action_name} asks for {kind.__name__}, which nothing here gives. Declare it with "
                f"@service or @scoped in one of the modules, or name it: Module(__name__, needs=[{kind.__name__}])."
            )
        needs = [
            self if need.type is Context else self._need(need.type, optional=need.optional) for need in provider.needs
        ]
        made: Any = provider.function(*needs)
        if self._made is None:
            self._made = {}
        self._made[kind] = made
        return made

    def _need(self, kind: type[Any], *, optional: bool) -> Any:
        if optional and kind not in self.runtime.scoped and self.runtime.find(kind) is None:
            return None
        found: Any = self.get(kind)
        return found

    # Who

    async def identify(self) -> Caller:
        """Who calls. Under a rule other than `anyone` this was already asked."""
        if not self._identified:
            if self._outer is not None:
                self.caller = await self._outer.identify()
            else:
                identifier = self.runtime.find(Identifier)
                self.caller = await identifier.identify(self) if identifier is not None else ANONYMOUS
            self._identified = True
        return self.caller

    async def session(self) -> Session:
        """The caller's session; it exists once somebody has signed in. Raises Unavailable when it cannot be read."""
        if self._session is None:
            if self._outer is not None:
                # One session for both, or one of them would go on with an id that the other has replaced.
                self._session = await self._outer.session()
                return self._session
            self._session = await self.runtime.require(SessionSource, "ctx.session()").session_of(self)
        return self._session

    def become(self, caller: Caller) -> None:
        """From here on the call is this caller's: what signing in and out say."""
        self.caller = caller
        self._identified = True
        if self._outer is not None:
            self._outer.become(caller)

    def as_tenant(self, tenant_id: str) -> None:
        """Work within this tenant from here on: the system, which has none, and callers whose scope is `any`.

        For everybody else it checks the tenant that an input names. Raises NotFound for another than their own.
        """
        enter_tenant(self, tenant_id)

    # When

    @property
    def app(self) -> AppInfo:
        """Which application this is."""
        return self.runtime.info

    @property
    def uptime_seconds(self) -> float:
        """How long the application has been running."""
        return (self.now - self.runtime.started_at).total_seconds()

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return self.runtime.clock.now()

    async def sleep(self, seconds: float) -> None:
        """Wait this long, by the application's clock."""
        await self.runtime.clock.sleep(seconds)

    async def health(self) -> dict[str, Health]:
        """How every part of the application is, within a second."""
        return await health_of(self.runtime.health_checks())

    def new_id(self) -> str:
        """A new UUIDv7."""
        return self.runtime.ids.uuid7()

    def time_left(self) -> float:
        """Seconds until the call has to end; never below zero."""
        return max(0.0, self.deadline - self.runtime.clock.monotonic())

    def limit_time(self, seconds: float) -> None:
        """End the call after this long from now, if that is sooner."""
        self.most_seconds = seconds
        self.deadline = min(self.deadline, self.runtime.clock.monotonic() + seconds)

    def limit_reading(self, seconds: float) -> None:
        """Give the inputs this long to arrive; `restart_clock` begins the call's own time."""
        self.deadline = self.runtime.clock.monotonic() + seconds
        self.runtime.calls.look_by(self.deadline)

    def forgive_timeout(self) -> bool:
        """Whether the call was cancelled for running out of time; if so it goes on and may say why."""
        if not self.out_of_time:
            return False
        self.out_of_time = False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True

    def restart_clock(self) -> None:
        """Give the call its whole time again: its inputs took long to arrive, under a limit of their own."""
        seconds = min(self.runtime.runner(self.action_name).seconds, self.most_seconds)
        self.deadline = self.runtime.clock.monotonic() + seconds

    # Telling

    @property
    def log(self) -> Logger:
        """The log, with the action and the request id on every line."""
        if self._log is None:
            self._log = self.runtime.log.bind(action=self.action_name, request_id=self.request_id)
        return self._log

    def tell(self, fact: object) -> None:
        """Say something beside the result; each transport has its own term for it, or drops it."""
        if self.facts is None:
            self.facts = []
        self.facts.append(fact)

    def told[T](self, kind: type[T]) -> T | None:
        """The last fact of this kind, or None."""
        return next((fact for fact in reversed(self.facts or ()) if isinstance(fact, kind)), None)

    # Other calls

    async def call(self, action: Action[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run another action with its rule and layers, as this caller, within this call's time and transaction."""
        runner = self.runtime.runner(action.name)
        return cast("R", await runner.run_within(self._inner(action.name), action.call(args, kwargs)))

    def stream(self, action: Stream[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Run a streaming action with its rule and layers, and take its items one by one."""
        runner = self.runtime.runner(action.name)
        return cast("AsyncIterator[R]", runner.stream_within(self._inner(action.name), action.call(args, kwargs)))

    @property
    def outermost(self) -> Context:
        """The call that came from outside: this one, or the one that it is part of."""
        ctx = self
        while ctx._outer is not None:
            ctx = ctx._outer
        return ctx

    def _inner(self, action_name: str) -> Context:
        inner = Context(self.runtime, action_name, self.connection, self.request_id, self.deadline, self.safe)
        inner.caller, inner._identified, inner._outer = self.caller, self._identified, self
        if self.job is not None or self.idempotency_key:
            inner.job, inner.idempotency_key = self.job, self.idempotency_key
        # One dict and one list for both, so that whatever either makes belongs to the outer call's end.
        if self._made is None:
            self._made = {}
        if self.steps is None:
            self.steps = []
        if self.facts is None:
            self.facts = []
        inner._made, inner.steps, inner.facts = self._made, self.steps, self.facts
        return inner

    def keep_apart(self) -> None:
        """Make things of its own for an inner call whose scope is another: what it reads and writes is not the same."""
        if self._outer is not None and self.scope != self._outer.scope:
            self._made = {}

    # Later

    @overload
    async def later(
        self,
        call: Call[Any],
        /,
        *,
        after: str | timedelta | None = None,
        at: datetime | None = None,
        unique: str = "",
        key: str = "",
        priority: Priority | None = None,
    ) -> Job: ...
    @overload
    async def later(self, action: Action[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Job: ...
    @overload
    async def later(self, action: Stream[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Job: ...
    async def later(self, what: AnyAction | Call[Any], /, *args: Any, **kwargs: Any) -> Job:
        """Run a call later, as this caller: `later(index, id=1)`, or `later(index.bind(id=1), after="5m")`.

        `unique` is a key under which only one job is unfinished, `key` the one whose jobs run in their order. Within a
        transaction it is sent when that commits. Raises Unavailable, TooLarge or InvalidInput.
        """
        tasks = self.runtime.require(Tasks, "ctx.later()")
        if isinstance(what, Call):
            after = kwargs.pop("after", None)
            return await tasks.later(self, what, Terms(after=None if after is None else _seconds(after), **kwargs))
        return await tasks.later(self, what.call(args, kwargs))

    async def fan_out(
        self, calls: Sequence[Call[Any]], /, *, then: Call[Any] | None = None, fail_fast: bool = False
    ) -> Batch:
        """Run many calls later, at most 10,000, and `then` once each of them has ended.

        `then` finds their outcomes in `ctx.job.batch`. With `fail_fast` the first dead one cancels the rest.
        """
        return await self.runtime.require(Tasks, "ctx.fan_out()").fan_out(self, calls, then=then, fail_fast=fail_fast)

    async def publish(self, event: msgspec.Struct, /) -> str:
        """Announce a fact to whoever listens (`@event`); within a transaction when that commits. Gives its id."""
        return await self.runtime.require(Events, "ctx.publish()").publish(self, event)

    def once(self) -> AbstractAsyncContextManager[None]:
        """A transaction that happens once for this call and all its repeats: `async with ctx.once():`.

        Effects and key are kept together when the call ends. A repeat skips the block and everything after it, and
        answers with the result of the first.
        """
        return self.runtime.require(Once, "ctx.once()").once(self, self.idempotency_key or self.new_id())

    async def progress(self, share: float, note: str = "") -> None:
        """Say how far a job has come, from 0 to 1; kept and shown at most twice a second. Nothing where no job runs."""
        if not 0 <= share <= 1:
            raise ValueError("progress() takes a share from 0 to 1")
        if self.job is not None:
            await self.job.report(share, note)

    def snooze(self, time: str | timedelta, /) -> NoReturn:
        """End this run and run the job again after this long (`"5m"`); it counts as no attempt."""
        if self.job is None:
            raise TypeError(f"{self.action_name}: ctx.snooze() is for jobs, and this call is none.")
        raise Snoozed(_seconds(time))

    # The end

    def at_end(self, step: AtEnd) -> None:
        """Run this when the call has ended: with None after success, with the error otherwise.

        The first step to be registered runs first. On success a step may still raise, and its error becomes the call's
        own. For a stream the steps also run, with None, before each item leaves.
        """
        if self.steps is None:
            self.steps = []
        self.steps.append(step)

    async def finish(self, error: BaseException | None) -> None:
        """Run every step. After a failure the remaining steps are told of it; the first failure is raised.

        What fails after that is only logged: the caller is told why the call ended.
        """
        failed = error
        for step in self.steps or ():
            try:
                await step(failed)
            except BaseException as problem:  # noqa: BLE001  # the other steps must still run; it is raised below
                if failed is None:
                    failed = problem
                else:
                    self.log.error("call.end_failed", error=problem)
        if failed is not None:
            # Each step was told how the call ended, and is not told again.
            self.steps = None
            if error is None:
                raise failed


def _seconds(time: str | timedelta) -> float:
    return (parse_duration(time) if isinstance(time, str) else time).total_seconds()
