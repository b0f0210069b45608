"""Writes an exception down: its type, its words and its traceback, without the values that were on their way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from traceback import TracebackException
from typing import Any, NamedTuple, cast

from antiphon.core.secrets import MASK
from antiphon.services.logs.masks import LONGEST_TEXT, Masks

_MOST_VALUES = 200
_SHORTEST_VALUE = 3
# PostgreSQL repeats whole rows here ("Failing row contains (…)").
_DETAIL = re.compile(r"^(\s*DETAIL:).*$", re.MULTILINE)


class Failure(NamedTuple):
    """An exception as the log shows it. No value of a local variable is in it, and no parameter of a statement."""

    type: str
    message: str
    traceback: str


def describe(error: BaseException, masks: Masks) -> Failure:
    """The exception with its causes."""
    values = sorted(set(_parameters(error)), key=len, reverse=True)

    def shown(text: str) -> str:
        for value in values:
            text = text.replace(value, MASK)
        return masks.text(_DETAIL.sub(rf"\1 {MASK}", text))

    # The end says where it broke.
    lines = "".join(TracebackException.from_exception(error).format())
    if len(lines) > LONGEST_TEXT:
        lines = f"…{lines[-LONGEST_TEXT + 1 :]}"
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Failure(name, shown(_words(error)), shown(lines).rstrip())


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001  # a log line must not fail for what it shows
        return f"<{type(second).__name__} while it was shown>"


def _parameters(error: BaseException) -> Iterator[str]:
    """What was bound to statements (`params` of SQLAlchemy's errors), and whole rows (`detail` of asyncpg's)."""
    for part in _chain(error):
        detail = getattr(part, "detail", None)
        values = [*_flat(getattr(part, "params", None)), *([detail] if isinstance(detail, str) else [])]
        for value in values[:_MOST_VALUES]:
            for form in (str(value), repr(value)):
                # A traceback within a group is indented, so that a value of several lines does not stand there whole.
                yield from (line for line in (form, *form.splitlines()) if len(line) >= _SHORTEST_VALUE)


def _flat(values: Any) -> Iterator[object]:
    if isinstance(values, Mapping):
        values = cast("Mapping[object, object]", values).values()
    elif not isinstance(values, list | tuple):
        return
    for value in cast("Iterable[object]", values):
        if isinstance(value, Mapping | list | tuple):
            yield from _flat(value)
        elif value is not None and not isinstance(value, bool):
            yield value


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    waiting, seen = [error], set[int]()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [part.__cause__, part.__context__]
        if isinstance(part, BaseExceptionGroup):
            waiting += cast("BaseExceptionGroup[BaseException]", part).exceptions
