"""Slows down whoever guesses passwords: counts failures by account and address, and makes the next guess wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, ClassVar, NamedTuple

from msgspec import Meta

from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import Fault, InvalidInput, Unavailable
from antiphon.core.info import Environment
from antiphon.core.limits import LockedOut
from antiphon.core.settings import Settings, doc
from antiphon.services.limits.asking import Asker, NoAnswer
from antiphon.services.limits.guesses import (
    GUESS,
    Begun,
    Door,
    LocalGuesses,
    Rule,
    Step,
    begin_arguments,
    end_arguments,
    read_begun,
)
from antiphon.services.limits.who import address_of
from antiphon.stores.base import Store

_MICROS = 1_000_000
_NAME_LETTERS = 32
_FOR_EVER = timedelta(days=3650)

# All keys of one guess, but in two slots of a Cluster, as the address has many accounts:
#
#     <prefix>:{lockout.n.<name>}:address.<address>     a name is the beginning of the SHA-256 of what was submitted
#     <prefix>:{lockout.n.<name>}:all
#     <prefix>:{lockout.a.<address>}


class LockoutSettings(Settings, frozen=True):
    """When wrong guesses begin to cost time. Nobody is locked out for good."""

    section: ClassVar[str] = "lockout"

    free: Annotated[int, Meta(ge=1, le=1_000), doc("The failures of one address at one account that cost nothing.")] = 5
    first_time: Annotated[timedelta, doc("The wait after one more of them; each further one doubles it.")] = timedelta(
        seconds=1
    )
    most_time: Annotated[timedelta, doc("The longest wait after more of them.")] = timedelta(minutes=15)
    account: Annotated[
        int, Meta(ge=1, le=1_000), doc("The failures an hour at one account, from everywhere, that cost nothing.")
    ] = 50
    account_time: Annotated[timedelta, doc("The longest wait at an account that fails from everywhere.")] = timedelta(
        seconds=60
    )
    address: Annotated[
        int, Meta(ge=1, le=1_000), doc("The failures an hour of one address, at all accounts, that cost nothing.")
    ] = 100
    address_time: Annotated[timedelta, doc("The wait of an address after more of them.")] = timedelta(minutes=15)
    quiet_time: Annotated[timedelta, doc("How long nobody may fail at an account until its waits are forgotten.")] = (
        timedelta(hours=24)
    )
    kept: Annotated[
        int, Meta(ge=100, le=1_000_000), doc("The counters that a process keeps while the store is away.")
    ] = 10_000

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """A first wait that is none, or longer than the longest."""
        if not timedelta(0) < self.first_time <= self.most_time:
            yield Fault("first_time", "must be longer than 0s, and not longer than lockout.most_time")


class _Slot(NamedTuple):
    """Doors of one guess that are decided in one step, and what a right guess does to each."""

    doors: list[Door]
    when_right: list[Step]


class Lockout:
    """Counts guesses at what only the right person knows. Without the store each process counts by itself."""

    def __init__(self, store: Store, asker: Asker, settings: LockoutSettings, clock: Clock) -> None:
        self._store = store
        self._asker = asker
        self._clock = clock
        self._local = LocalGuesses(settings.kept)
        hour, first, quiet = _micros(timedelta(hours=1)), _micros(settings.first_time), _micros(settings.quiet_time)
        long, short = _micros(settings.most_time), _micros(settings.account_time)
        shut = _micros(settings.address_time)
        self._pair = Rule(settings.free, _micros(_FOR_EVER), first, long, quiet)
        self._account = Rule(settings.account, hour, first, short, quiet)
        self._address = Rule(settings.address, hour, shut, shut, hour + shut)

    @asynccontextmanager
    async def guess(self, ctx: Context, name: str) -> AsyncGenerator[None]:
        """Around the look at a password: `async with lockout.guess(ctx, email): …`.

        Leaving the block by an error is a wrong guess; by its end, a right one; by Unavailable or InvalidInput, none.
        `name` is what was submitted, whether there is such an account or not. Raises TooManyCalls instead of beginning
        when there were too many wrong ones, also for a guess that would have been right.
        """
        slots = self._slots(ctx, name)
        begun: list[tuple[_Slot, Begun, bool]] = []
        for slot in slots:
            result, alone = await self._begin(slot)
            if result.wait:
                for each in begun:
                    await self._end(*each, right=False)
                ctx.log.info("lockout.refused", seconds=result.wait // _MICROS)
                raise LockedOut(
                    "Too many attempts have failed. Wait, then try again.", retry_after=result.wait / _MICROS
                )
            begun.append((slot, result, alone))
        try:
            yield
        except (Unavailable, InvalidInput):
            for each in begun:
                await self._end(*each, right=False)
            raise
        for each in begun:
            await self._end(*each, right=True)

    def _slots(self, ctx: Context, name: str) -> list[_Slot]:
        address = address_of(ctx.connection)
        slot = f"{{lockout.n.{sha256(name.lower().encode()).hexdigest()[:_NAME_LETTERS]}}}"
        of_name = [Door(f"{slot}:address.{address}", self._pair), Door(f"{slot}:all", self._account)]
        of_address = [Door(f"{{lockout.a.{address}}}", self._address)]
        return [_Slot(of_address, ["back"]), _Slot(of_name, ["forget", "back"])]

    async def _begin(self, slot: _Slot) -> tuple[Begun, bool]:
        """What became of the guess, and whether this process has counted it alone."""
        try:
            answer = await self._asker.ask(GUESS, self._keys(slot.doors), begin_arguments(slot.doors))
        except NoAnswer:
            return self._local.begin(slot.doors, int(self._clock.monotonic() * _MICROS)), True
        return read_begun(answer), False

    async def _end(self, slot: _Slot, begun: Begun, alone: bool, *, right: bool) -> None:  # noqa: FBT001  # as `_begin` gives it
        steps: list[Step] = slot.when_right if right else ["back" for _ in slot.doors]
        if alone:
            self._local.end(slot.doors, steps, begun)
            return
        try:
            await self._asker.ask(GUESS, self._keys(slot.doors), end_arguments(slot.doors, steps, begun))
        except NoAnswer:
            # It stays counted: a door that is shut a second too long is better than one that stands open.
            return

    def _keys(self, doors: Sequence[Door]) -> list[str]:
        return [self._store.key(door.key) for door in doors]


def _micros(time: timedelta) -> int:
    return int(time.total_seconds() * _MICROS)
