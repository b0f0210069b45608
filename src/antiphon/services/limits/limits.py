"""Decides limits: for each action the gate that stands before it, and charges that are known only within a call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import TooLarge, TooManyCalls, Unavailable
from antiphon.core.limits import Begun, DefaultLimit, Gate, Limit, Limiter, LimiterAway, LimitState, OverLimit
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background
from antiphon.services.limits.asking import Asked, Asker, NoAnswer
from antiphon.services.limits.counting import DECIDE, Charge, Count, Decision, arguments, read_answer
from antiphon.services.limits.local import LocalCounts
from antiphon.services.limits.metrics import LimitCollector
from antiphon.services.limits.policies import Policy, compiled, policies_of
from antiphon.services.limits.remembered import Remembered
from antiphon.services.limits.settings import LimitSettings
from antiphon.services.limits.who import address_of, key_of, names_users, slot_of
from antiphon.stores.base import Store

_MICROS = 1_000_000
_AWAY_SECONDS = 1.0
_MOST_REMEMBERED = 10_000


class Limits(Limiter, Background):
    """The limits of an application: counted in the store, and here while it does not answer."""

    def __init__(self, store: Store, asker: Asker, settings: LimitSettings, clock: Clock) -> None:
        self.settings = settings
        self.splits = store.clustered
        """Whether a step can have keys of one slot only."""
        self._store = store
        self._clock = clock
        self._local = LocalCounts(settings.kept)
        self._asker = asker
        refusals = Limit(settings.scaled(settings.refusals), 60.0, "address")
        self._refusals = Policy.of(refusals, "refusals")
        self.counts = LimitCollector()
        self.remembered = Remembered(_MOST_REMEMBERED)
        self._taking_back: set[asyncio.Task[None]] = set()
        self._charged: dict[tuple[str, tuple[Limit | DefaultLimit, ...]], ActionGate] = {}

    def gate(self, action: AnyAction) -> Gate | None:
        """What stands before an action; None when it is under no limit at all, or limits are switched off."""
        # What names no limit is said at the start, also where limits are switched off.
        policies = policies_of(action, self.settings)
        return ActionGate(self, policies) if policies and self.settings.enabled else None

    async def charge(self, ctx: Context, *limits: Limit | DefaultLimit, name: str, cost: int = 1) -> None:
        """Charge what is known only within a call, under limits counted as `name`."""
        gate = self._charged.get((name, limits))
        if gate is None:
            gate = ActionGate(self, compiled(limits, name, self.settings, where=name))
            self._charged[name, limits] = gate
        if self.settings.enabled:
            await gate.charge(ctx, cost)

    def count_refusal(self, ctx: Context) -> None:
        """Count a call that its rule refuses. Raises TooManyCalls."""
        if ctx.caller.kind == "system":
            return
        policy = self._refusals
        charge = Charge(policy, f"{address_of(ctx.connection)}:{policy.key}", 1)
        decision = self._local.decide([charge], self._micros())
        if not decision.passes:
            raise TooManyCalls(retry_after=decision.counts[0].wait / _MICROS)

    async def begin(self, runtime: Runtime) -> None:
        """Look at every action before calls may arrive: a name that is no limit is said now. Raises SetupError."""
        for action in runtime.actions.values():
            policies_of(action, self.settings)

    def collectors(self) -> Sequence[LimitCollector]:
        """What is counted about limits, for whoever shows metrics."""
        return (self.counts,)

    def count(self, counted: Iterable[tuple[Policy, Count]]) -> None:
        """Count the limits that had no room."""
        for policy, count in counted:
            if not count.room:
                self.counts.refused[policy.name, policy.shadow] += 1

    async def decide(self, charges: Sequence[Charge], asked: Asked | None = None) -> Decision:
        """Charge all of these, or none; with `asked` the store has been sent them already.

        Raises LimiterAway when that has to be the store's and it does not answer.
        """
        patience = any(charge.policy.refuses_alone and not charge.policy.shadow for charge in charges)
        try:
            if asked is not None:
                return read_answer(await self._asker.answer(asked, patience=patience))
            return await self._decide_together(charges, patience=patience)
        except NoAnswer:
            if patience:
                raise LimiterAway(retry_after=_AWAY_SECONDS) from None
            self.counts.alone += 1
            return self._local.decide(charges, self._micros())

    def send(self, charges: Sequence[Charge]) -> Asked | None:
        """Send charges of one slot to the store, for `decide`; None when it is not asked at present."""
        return self._asker.begin(DECIDE, self._keys(charges), arguments(charges))

    def take_back(self, charges: Sequence[Charge], asked: Asked) -> None:
        """Take back what was sent, once it is known whether it was charged at all."""
        task = asyncio.create_task(self._take_back(charges, asked))
        self._taking_back.add(task)
        task.add_done_callback(self._taking_back.discard)

    async def close(self) -> None:
        """Take nothing back any more."""
        tasks = [*self._taking_back]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_back(self, charges: Sequence[Charge], asked: Asked) -> None:
        try:
            decision = read_answer(await self._asker.answer(asked))
            if decision.passes:
                await self._asker.ask(DECIDE, self._keys(charges), arguments(charges, take_back=decision.at))
        except NoAnswer:
            # One call too many may stay counted, which lasts no longer than its window.
            return

    async def _decide_together(self, charges: Sequence[Charge], *, patience: bool) -> Decision:
        apart = [charge for charge in charges if charge.policy.who == "everyone"] if self.splits else []
        if not apart or len(apart) == len(charges):
            return await self._ask(charges, patience=patience)
        # In a Cluster those of everyone stand in another slot than the caller's own, so they are a step of their own.
        # It comes second: what is charged and taken back between the two is then only the caller's.
        own = [charge for charge in charges if charge.policy.who != "everyone"]
        first = await self._ask(own, patience=patience)
        if not first.passes:
            return first
        second = await self._ask(apart, patience=patience)
        if not second.passes:
            await self._asker.ask(DECIDE, self._keys(own), arguments(own, take_back=first.at))
        counts = iter(first.counts), iter(second.counts)
        return Decision(second.passes, first.at, [next(counts[charge.policy.who == "everyone"]) for charge in charges])

    async def _ask(self, charges: Sequence[Charge], *, patience: bool) -> Decision:
        return read_answer(await self._asker.ask(DECIDE, self._keys(charges), arguments(charges), patience=patience))

    def _keys(self, charges: Sequence[Charge]) -> list[str]:
        return [self._store.key(charge.key) for charge in charges]

    def _micros(self) -> int:
        return int(self._clock.monotonic() * _MICROS)


class Sent(NamedTuple):
    """A charge that is on its way before it is known who calls."""

    limits: Limits
    charges: list[Charge]
    asked: Asked

    def withdraw(self) -> None:
        """Take it back, some time soon."""
        self.limits.take_back(self.charges, self.asked)


class ActionGate(Gate):
    """The limits of one action, or of one kind of charge."""

    __slots__ = ("_asks_who", "_limits", "_policies", "_sends_early")

    def __init__(self, limits: Limits, policies: Sequence[Policy]) -> None:
        self._limits = limits
        self._policies = tuple(policies)
        # Those that every action has count whoever is not known by address, so nobody is looked up for them alone.
        self._asks_who = any(names_users(policy) for policy in policies if not policy.everywhere)
        # A cost may depend on who calls, and in a Cluster what is everyone's is not in the caller's slot.
        apart = limits.splits and any(policy.who == "everyone" for policy in policies)
        self._sends_early = not apart and not any(callable(policy.cost) for policy in policies)

    def begin(self, ctx: Context) -> Sent | None:
        """Charge whoever came with this credential the last time, on the trip that reads what it is worth now."""
        caller = self._limits.remembered.find(ctx) if self._sends_early else None
        if caller is None:
            return None
        charges = self._charges(ctx, caller, None)
        asked = self._limits.send(charges) if charges else None
        return None if asked is None else Sent(self._limits, charges, asked)

    async def admit(self, ctx: Context, begun: Begun | None = None) -> None:
        """Charge a call, or let what was begun be its charge."""
        if self._asks_who:
            begun = begun or self.begin(ctx)
            await _identify(ctx, begun)
        charges = self._charges(ctx, ctx.caller, None)
        if isinstance(begun, Sent):
            if begun.charges == charges:
                await self._decide(ctx, charges, begun.asked)
                return
            begun.withdraw()
        if self._sends_early:
            self._limits.remembered.keep(ctx)
        await self._decide(ctx, charges)

    def refused(self, ctx: Context) -> None:
        """Count a call that its rule refuses."""
        if not ctx.caller.signed_in:
            self._limits.remembered.forget(ctx)
        self._limits.count_refusal(ctx)

    async def charge(self, ctx: Context, cost: int) -> None:
        """Charge this cost."""
        await self._decide(ctx, self._charges(ctx, ctx.caller, cost))

    def _charges(self, ctx: Context, caller: Caller, cost: int | None) -> list[Charge]:
        connection = ctx.connection
        slot = slot_of(caller, connection)
        charges: list[Charge] = []
        for policy in self._policies:
            key = key_of(caller, connection, slot, policy)
            if key is not None:
                charges.append(Charge(policy, key, _cost(policy, ctx, cost)))
        return charges

    async def _decide(self, ctx: Context, charges: Sequence[Charge], asked: Asked | None = None) -> None:
        if not charges:
            return
        decision = await self._limits.decide(charges, asked)
        # A decision that ended with the caller's own limits has no counts of the rest.
        counted = list(zip((charge.policy for charge in charges), decision.counts, strict=False))
        self._limits.count(counted)
        _tell(ctx, counted)
        if not decision.passes:
            raise _over(ctx, counted)


async def _identify(ctx: Context, begun: Begun | None) -> None:
    try:
        await ctx.identify()
    except Unavailable:
        # The action is open to everybody, so it does not end because nobody can say who this is.
        ctx.log.debug("limits.caller_unknown")
    except BaseException:
        if begun is not None:
            begun.withdraw()
        raise


def _cost(policy: Policy, ctx: Context, given: int | None) -> int:
    cost = given if given is not None else policy.cost
    if callable(cost):
        cost = cost(ctx)
    if cost < 0:
        raise ValueError(f"The cost of a call under the limit {policy.name} is below zero.")
    if cost > policy.most and not policy.shadow:
        raise TooLarge(f"This costs {cost}, and the limit {policy.name} allows {policy.most} at most.")
    return cost


def _tell(ctx: Context, counted: Sequence[tuple[Policy, Count]]) -> None:
    for policy, count in counted:
        if not policy.shadow:
            ctx.tell(LimitState(policy.name, policy.quota, policy.seconds, count.remaining, count.more / _MICROS))
        elif not count.room:
            ctx.log.info("limit.would_refuse", policy=policy.name)


def _over(ctx: Context, counted: Sequence[tuple[Policy, Count]]) -> OverLimit:
    full: Mapping[str, int] = {
        policy.name: count.wait for policy, count in counted if not count.room and not policy.shadow
    }
    ctx.log.info("limit.refused", policies=[*full])
    return OverLimit(full, retry_after=max(full.values()) / _MICROS)
