"""What all attempts of one worker share: the runners of actions, whose job it is, and how often it is tried."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller, Directory
from antiphon.core.errors import Forbidden, SetupError
from antiphon.core.job import RetryPlan
from antiphon.core.runner import Runner
from antiphon.core.runtime import Runtime
from antiphon.core.traits import Retry, answers_on
from antiphon.services.streams.held import Report
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.players import JobPlayer
from antiphon.services.streams.tellings import Tellings
from antiphon.services.streams.values import Running
from antiphon.transports.worker.attempt import JobAttempt, Part

UNPLANNED = RetryPlan()


class JobDesk:
    """Prepares attempts. `runtime` is the worker's own: jobs are counted, timed and drained apart from requests."""

    def __init__(
        self, runtime: Runtime, players: Sequence[JobPlayer], tellings: Tellings, *, undo_seconds: float
    ) -> None:
        self.runtime = runtime
        self.tellings = tellings
        self.undo_seconds = undo_seconds
        self._players = players
        self._directory = runtime.find(Directory)
        self._parts: dict[str, Part] = {}
        self._plans: dict[AnyAction, RetryPlan] = {}
        self._played: dict[AnyAction, Runner] = {}

    def attempt(self, running: Running, report: Report) -> JobAttempt:
        """One attempt of a job."""
        return JobAttempt(self, running, report)

    def part(self, message: JobMessage) -> Part | None:
        """What runs a job; None when nothing here knows its action."""
        part = self._parts.get(message.action)
        if part is not None:
            return part
        action = self.runtime.actions.get(message.action)
        if action is not None and answers_on(action, "worker"):
            part = self._parts[message.action] = Part(self.runtime.runner(action.name))
            return part
        for player in self._players:
            play = player.play(message)
            if play is not None:
                runner = self._played.get(play.action)
                if runner is None:
                    runner = self._played[play.action] = self.runtime.runner_of(play.action)
                return Part(runner, play)
        return None

    async def caller(self, message: JobMessage, part: Part) -> Caller:
        """Who the job runs as, with the rights of this moment. Raises Forbidden for a user who is gone or disabled."""
        if part.play is not None and part.play.caller is not None:
            return part.play.caller
        of = message.caller
        if of.kind != "user":
            return Caller(kind=of.kind, tenant_id=of.tenant_id)
        if self._directory is None:
            raise SetupError(
                f"The job {message.id} is a user's, and nothing here finds users. "
                f"Add a module whose service is a Directory, such as antiphon.modules.accounts."
            )
        found = await self._directory.find_caller(of.id)
        if found is None or found.tenant_id != of.tenant_id:
            raise Forbidden("The user who asked for this is gone or disabled, or belongs elsewhere now.")
        if of.permissions is None:
            return found
        # A key holds some of its user's rights, and what it has asked for holds no more.
        return msgspec.structs.replace(found, via="key", permissions=frozenset(of.permissions))

    def plan(self, action: AnyAction | None) -> RetryPlan:
        """How often an action is tried, and when again."""
        if action is None:
            return UNPLANNED
        plan = self._plans.get(action)
        if plan is None:
            said = action.trait(Retry)
            plan = self._plans[action] = UNPLANNED if said is None else said.plan
        return plan
