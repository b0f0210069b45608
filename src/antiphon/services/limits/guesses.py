"""How wrong guesses are counted: what a key holds, the arithmetic, and the counters of one process alone."""

# A guess is counted as a failure before it is looked at, in the same step that asks whether it may be made at all: of a
# hundred guesses at the same moment none finds the door open because the others have not failed yet. One that turns
# out to be right is taken back.
#
#     key      "<locked until> <level> <time of the newest failure> <the one before> …"   free and one more
#     begin    locked until after now: refused, and not counted, so that nobody can keep a door shut by knocking
#              else the guess is a failure from now on; with more failures than are free within the window the level
#              rises by one, and the door is shut for `first`, twice as long with each level, up to `most`
#     back     the failure of that time is taken out, with the level and the lock that it has brought
#     forget   all of it is taken out
#     lives    until `quiet` after the newest failure
#
# The same arithmetic stands in guess.lua, where the store's time counts. Times are whole microseconds.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from antiphon.stores.script import Script

GUESS = Script.beside(__file__, "guess.lua")

_LEVELS = 40

type Step = Literal["begin", "back", "forget"]


class Rule(NamedTuple):
    """How many failures are free in which time, and how long the door is shut after more. Times are microseconds."""

    free: int
    window: int
    first: int
    most: int
    quiet: int


class Door(NamedTuple):
    """A counter: its key and its rule."""

    key: str
    rule: Rule


class Begun(NamedTuple):
    """What became of a guess: how long to wait if it is refused, else when it was counted and what it has locked."""

    wait: int
    at: int
    until: tuple[int, ...]


class Failures(NamedTuple):
    """What a key holds. The newest time is the first."""

    until: int = 0
    level: int = 0
    times: tuple[int, ...] = ()


def begin_arguments(doors: Sequence[Door]) -> list[str | int]:
    """What `guess.lua` is given to begin a guess."""
    args: list[str | int] = []
    for _, rule in doors:
        args += ("begin", rule.free, rule.window, rule.first, rule.most, rule.quiet, 0, 0)
    return args


def end_arguments(doors: Sequence[Door], steps: Sequence[Step], begun: Begun) -> list[str | int]:
    """What `guess.lua` is given to take a guess back."""
    args: list[str | int] = []
    for (_, rule), step, until in zip(doors, steps, begun.until, strict=True):
        args += (step, rule.free, rule.window, rule.first, rule.most, rule.quiet, begun.at, until)
    return args


def read_begun(answer: Sequence[Any]) -> Begun:
    """What `guess.lua` answers."""
    return Begun(answer[0], answer[1], tuple(answer[2:]))


class LocalGuesses:
    """The counters of one process, `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, Failures] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, doors: Sequence[Door], now: int) -> Begun:
        """Count a guess at every one of these doors, or at none when one of them is shut."""
        found = [self._read(door, now) for door in doors]
        wait = max(each.until for each in found) - now
        if wait > 0:
            return Begun(wait, now, ())
        until: list[int] = []
        for (key, rule), each in zip(doors, found, strict=True):
            failed = _failed(each, rule, now)
            until.append(failed.until)
            self._keep(key, failed)
        return Begun(0, now, tuple(until))

    def end(self, doors: Sequence[Door], steps: Sequence[Step], begun: Begun) -> None:
        """Take a guess back."""
        for (key, _), step, until in zip(doors, steps, begun.until, strict=True):
            kept = self._kept.get(key)
            if step == "forget" or kept is None:
                self._kept.pop(key, None)
            else:
                self._kept[key] = _taken_back(kept, begun.at, until)

    def _read(self, door: Door, now: int) -> Failures:
        kept = self._kept.get(door.key, Failures())
        if kept.times and kept.times[0] + door.rule.quiet <= now:
            return Failures()
        return kept

    def _keep(self, key: str, failures: Failures) -> None:
        self._kept.pop(key, None)
        self._kept[key] = failures
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


def _failed(kept: Failures, rule: Rule, now: int) -> Failures:
    recent = tuple(time for time in kept.times if time > now - rule.window)
    # One more than are free, so that a guess that is taken back leaves as many as there were.
    times = (now, *recent)[: rule.free + 1]
    if len(recent) < rule.free:
        return Failures(0, kept.level, times)
    level = min(kept.level + 1, _LEVELS)
    return Failures(now + min(rule.first * 2 ** (level - 1), rule.most), level, times)


def _taken_back(kept: Failures, at: int, until: int) -> Failures:
    there = kept.times.index(at) if at in kept.times else len(kept.times)
    # One of them: others may have failed in the same microsecond.
    times = kept.times[:there] + kept.times[there + 1 :]
    if not until:
        return kept._replace(times=times)
    return Failures(0 if kept.until == until else kept.until, max(kept.level - 1, 0), times)
