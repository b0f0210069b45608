"""The limits of an action, compiled: what each counts, under which name, and in which units."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Literal, NamedTuple

from antiphon.core.action import AnyAction
from antiphon.core.errors import SetupError
from antiphon.core.limits import Cost, DefaultLimit, Limit, NoDefaults
from antiphon.services.limits.settings import LimitSettings

type Who = Literal["caller", "address", "user", "tenant", "everyone", "anonymous"]
"""What a limit's `by` says; `anonymous` is the address of callers who are not signed in."""

PARTS = 10
"""The parts of a sliding window. The one in which the window begins is counted whole, beside these."""

_MICROS = 1_000_000
_DEFAULT_SECONDS = 60.0


class Policy(NamedTuple):
    """One limit, ready to be counted. Times are microseconds.

    A window (`w`) counts in parts of `unit`, an even flow (`g`, GCRA) gives back one call each `unit`; `most` is what
    there can be at once in either. `everywhere` says that every action is under it; `key` is its name in keys.
    """

    name: str
    who: Who
    quota: int
    seconds: float
    kind: Literal["w", "g"]
    most: int
    unit: int
    cost: Cost
    refuses_alone: bool
    shadow: bool
    everywhere: bool
    key: str

    @classmethod
    def of(cls, limit: Limit, name: str, everywhere: Who | None = None) -> Policy:
        """The policy for a limit of one action, or for one of whoever it says `everywhere`."""
        micros = limit.seconds * _MICROS
        if limit.burst is None:
            # The time is part of the key: counts in parts of another length would mean nothing.
            unit, kind, most, form = ceil(micros / PARTS), "w", limit.count, f"w{limit.seconds:g}"
        else:
            unit, kind, most, form = ceil(micros / limit.count), "g", limit.burst, "g"
        return cls(
            name=name,
            who=everywhere or limit.by,
            quota=limit.count,
            seconds=limit.seconds,
            kind=kind,
            most=most,
            unit=unit,
            cost=limit.cost,
            refuses_alone=limit.without_store == "refuse",
            shadow=limit.shadow,
            everywhere=everywhere is not None,
            # No action has this name.
            key=f"{'*' if everywhere is not None else name}:{form}",
        )


def defaults(settings: LimitSettings) -> list[Policy]:
    """The limits that every action has."""
    rows: list[tuple[str, Who, int]] = [
        ("anonymous", "anonymous", settings.anonymous),
        ("user", "user", settings.user),
        ("tenant", "tenant", settings.tenant),
    ]
    return [Policy.of(Limit(settings.scaled(count), _DEFAULT_SECONDS), name, who) for name, who, count in rows]


def policies_of(action: AnyAction, settings: LimitSettings) -> list[Policy]:
    """Every limit that an action is under. Raises SetupError for a name that the settings do not know."""
    own = [trait for trait in action.traits if isinstance(trait, Limit | DefaultLimit)]
    given = [] if action.traits_of(NoDefaults) else defaults(settings)
    return [*given, *compiled(own, action.name, settings, where=action.where)]


def compiled(limits: Iterable[Limit | DefaultLimit], name: str, settings: LimitSettings, *, where: str) -> list[Policy]:
    """The policies for limits that are counted as `name`; numbered where there are several."""
    named, own = settings.named(), [limit for limit in limits if isinstance(limit, Limit)]
    found: dict[str, Policy] = {}
    for limit in limits:
        if isinstance(limit, Limit):
            policy = Policy.of(limit, name if len(own) == 1 else f"{name}.{own.index(limit) + 1}")
        elif limit.name in named:
            policy = Policy.of(named[limit.name], limit.name)
        else:
            raise SetupError(
                f"{where}: there is no limit {limit.name!r} in the settings. "
                f'Write one of {", ".join(named)}, or numbers: limit(30, per="1m").'
            )
        found[policy.name] = policy
    return [*found.values()]
