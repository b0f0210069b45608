"""How limits are counted: what a key holds, the arithmetic, and what `decide.lua` is given and answers."""

# The same arithmetic stands twice: in decide.lua for the store, whose time counts there, and in local.py for a process
# that has to count alone. Times are whole microseconds.
#
# A sliding window of a time W has parts of W/10. `here` is the number of the part in which now falls.
#
#     key      "<number of its newest part> <calls of that part> <calls of the one before> …"
#     used     the calls of the parts here, here-1, … here-10. The window begins within the last of these, which is
#              counted whole: so no window of W holds more than the count, and a call may wait up to W/10 longer than
#              it would have to
#     lives    until its newest part is counted no more
#
# An even flow (GCRA, the generic cell rate algorithm) gives one call back each `unit`, `most` of them at once.
#
#     key      the time at which everything will have been given back
#     used     (that time - now) / unit
#     room     that time + cost × unit <= now + most × unit
#     lives    until that time
#
# A clock of the store that goes back, as after a failover, moves nothing into the future: what is newer than now is
# counted as of now.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from antiphon.services.limits.policies import Policy
from antiphon.stores.script import Script

DECIDE = Script.beside(__file__, "decide.lua")

_FIELDS = 4


class Charge(NamedTuple):
    """A limit of one call: what it is charged, and the key that counts it."""

    policy: Policy
    key: str
    cost: int


class Count(NamedTuple):
    """What became of one limit: whether it has room, what remains, when there is more, when there is room."""

    room: bool
    remaining: int
    more: int
    wait: int


class Decision(NamedTuple):
    """Whether a call passes, when that was decided, and the count of each limit in their order."""

    passes: bool
    at: int
    counts: list[Count]


def arguments(charges: Sequence[Charge], take_back: int | None = None) -> list[str | int]:
    """What `decide.lua` is given; with the time of a decision, to take its charges back."""
    args: list[str | int] = ["" if take_back is None else take_back]
    for policy, _, cost in charges:
        args += (policy.kind, policy.most, policy.unit, cost, "1" if policy.shadow else "")
    return args


def read_answer(answer: Sequence[Any]) -> Decision:
    """What `decide.lua` answers."""
    counts = [
        Count(answer[at] == 1, answer[at + 1], answer[at + 2], answer[at + 3]) for at in range(2, len(answer), _FIELDS)
    ]
    return Decision(answer[0] == 1, answer[1], counts)
