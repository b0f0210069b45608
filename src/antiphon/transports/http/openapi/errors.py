"""Every error that HTTP can tell, with its status and its words: what the document and the page of errors show."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.core.errors import (
    CALL_ERRORS,
    CallError,
    Conflict,
    Defect,
    Forbidden,
    InvalidInput,
    NotSignedIn,
    TimedOut,
    TooManyCalls,
    Unavailable,
)
from antiphon.core.idempotency import Idempotency
from antiphon.core.inputs.types import alternatives, plain
from antiphon.core.limits import Limiter, is_limited
from antiphon.core.results import Download
from antiphon.core.runtime import Runtime
from antiphon.core.traits import Raises
from antiphon.transports.http.errors import PRECONDITION_FAILED, STATUS
from antiphon.transports.http.openapi.inputs import Taken
from antiphon.transports.http.routes import Route
from antiphon.wire.faults import FAULTS


class ErrorRow(NamedTuple):
    """One error: its type on the wire, its status, what is said of it by default, and what it means."""

    type: str
    status: int
    message: str
    meaning: str


def error_rows(actions: Iterable[AnyAction]) -> dict[str, ErrorRow]:
    """The errors of calls, then those of the wire, then those that the application's own code adds; by type."""
    rows = {row.type: row for row in map(_row, (*CALL_ERRORS, Defect))}
    for name, fault in FAULTS.items():
        rows.setdefault(name, ErrorRow(name, fault.status, fault.message, ""))
    own = {error.type: _row(error) for action in actions for error in raised(action)}
    return rows | {name: own[name] for name in sorted(own) if name not in rows}


def raised(action: AnyAction) -> Iterator[type[CallError]]:
    """The errors that an action names by `raises(...)`."""
    for trait in action.traits_of(Raises):
        yield from trait.errors


class Ground(NamedTuple):
    """What stands around every operation of an application: whether limits are decided, and answers kept under keys."""

    limited: bool = False
    keyed: bool = False

    @classmethod
    def of(cls, runtime: Runtime) -> Ground:
        """What an application that has started has."""
        return cls(runtime.find(Limiter) is not None, runtime.find(Idempotency) is not None)


BARE = Ground()
"""An application with neither."""


def errors_of(action: AnyAction, route: Route, rows: Mapping[str, ErrorRow], ground: Ground = BARE) -> list[ErrorRow]:
    """The errors that one operation can answer with, by status; the table is that of `responses`."""
    taken = Taken(action, route)
    allow = action.trait(Allow)
    names: set[str] = {Defect.type, Unavailable.type, TimedOut.type}
    if allow is not None and not allow.open:
        names |= {NotSignedIn.type, Forbidden.type}
    if ground.limited and is_limited(action):
        names.add(TooManyCalls.type)
    if action.schema.fields:
        names |= {"MALFORMED", InvalidInput.type}
    if taken.body:
        names |= {"REQUEST_TIMEOUT", "TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"}
    if action.streams:
        names.add("NOT_ACCEPTABLE")
    elif any(plain(option) is Download for option in alternatives(action.result)):
        names.add("RANGE_NOT_SATISFIABLE")
    if takes_key(action, ground):
        names |= {Conflict.type, InvalidInput.type, TooManyCalls.type}
    names |= {error.type for error in raised(action)}
    found = [rows[name] for name in names]
    if takes_base(action, route):
        found.append(rows["MALFORMED"])
        found += [rows[error.type]._replace(status=PRECONDITION_FAILED) for error in _conflicts(action)]
    return sorted(set(found), key=lambda row: (row.status, row.type))


def takes_base(action: AnyAction, route: Route) -> bool:
    """Whether `If-Match` means something to it: it writes, and what it writes to can have moved on."""
    return not route.safe and any(_conflicts(action))


def takes_key(action: AnyAction, ground: Ground) -> bool:
    """Whether an `Idempotency-Key` means something to it: it changes something, and its answer is one."""
    return ground.keyed and not action.reads_only and not action.streams


def _conflicts(action: AnyAction) -> Iterator[type[CallError]]:
    return (error for error in raised(action) if issubclass(error, Conflict))


def _row(error: type[CallError] | type[Defect]) -> ErrorRow:
    status = next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)
    message = error.message if issubclass(error, Defect) else error.default
    # A class without a docstring of its own would show its parent's.
    return ErrorRow(error.type, status, message, inspect.cleandoc(error.__doc__ or ""))
