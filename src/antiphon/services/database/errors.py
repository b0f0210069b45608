"""Turns what drivers raise into what a call may tell: one table, by SQLSTATE, for both engines.

    SQLSTATE                                     told as         was anything done?
    08…, 57P01-57P05; connect refused or late    DatabaseAway    unknown after COMMIT was sent, otherwise no
    53… (no free connection, disk full), 58…     DatabaseAway    no
    no answer within the driver's limit          DatabaseAway    unknown in a writing transaction
    25006 while writing (after a fail-over)      DatabaseAway    no
    55P03 (SQLite: busy), 40001, 40P01           DatabaseAway    no
    28…, 3D… once we are running                 DatabaseAway    no
    57014, 25P04 from a live server              TimedOut        no
    23505                                        Taken           no
    22…, 23502 (null), 23514 (check)             InvalidInput    no
    23…, the others                              Conflict        no
    42501                                        Forbidden       no
    anything else; 25006 while reading           Defect          no

A message to the caller holds neither SQL nor a value. The cause is for the log and holds no value either: for 22… and
23…, where drivers quote values and whole rows with hashes and addresses in them, it is a `Refusal` that names the code
and the constraint only.
"""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy.exc

from antiphon.core.errors import CallError, Conflict, Defect, Forbidden, InvalidInput, SetupError, TimedOut, Unavailable
from antiphon.services.database.codes import REFUSED, code_of, is_away, unique_name
from antiphon.services.database.schema import Schema


class DatabaseAway(Unavailable):
    """The database cannot be asked now. `outcome_unknown` says that it may still have done what it was told to do."""

    default = "The database is not available right now. Try again soon."

    def __init__(self, message: str | None = None, *, outcome_unknown: bool = False, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.outcome_unknown = outcome_unknown


class Taken(Conflict):
    """Something unique is there already. `constraint` is its name on both engines; the input is named if known."""

    def __init__(self, constraint: str, *, field: str | None = None) -> None:
        super().__init__(
            "is taken already" if field else "Something that must be unique is there already.", field=field
        )
        self.constraint = constraint


class Refusal(Exception):
    """What the database refused, without the driver's words, because those quote values."""


class SilentServer(Exception):
    """The driver's limit has passed, and the server, whose own limit is shorter, has not said a word."""


class When(NamedTuple):
    """What was being done when it failed."""

    writing: bool = False
    committing: bool = False


_FOR_NOW = ("53", "58", "55P03", "40001", "40P01", *REFUSED)


def told(error: BaseException, schema: Schema, when: When) -> BaseException:
    """The error to raise instead, with its cause. What is no error of a database is given back as it is."""
    if isinstance(error, SilentServer):
        return _because(DatabaseAway(outcome_unknown=when.writing), error)
    if isinstance(error, sqlalchemy.exc.StatementError) and isinstance(error.orig, CallError):
        return error.orig  # a column type refused the value in the caller's terms
    code = code_of(error)
    if not code and not isinstance(error, sqlalchemy.exc.SQLAlchemyError):
        return error
    if code == "23505":
        found = schema.unique.get(unique_name(error))
        name = found.name if found is not None else unique_name(error)
        return _because(Taken(name, field=found.input if found is not None else None), Refusal(f"{code}: {name}"))
    if code.startswith(("22", "23")):
        return _because(_refused(code), Refusal(" ".join((code, unique_name(error))).strip()))
    return _because(_failed(code, error, when), error)


def at_start(error: Exception, shown: str) -> Exception:
    """The same before there is a call, at the start and in migrations: DatabaseAway, SetupError, or the error."""
    code = code_of(error)
    if code.startswith(REFUSED):
        return SetupError(
            f"The database at {shown} does not let us in (SQLSTATE {code}). "
            f"Look at the user, the password and the name in DATABASE_URL."
        )
    return DatabaseAway() if code.startswith((*_FOR_NOW, "08", "57P")) else error


def _refused(code: str) -> CallError:
    if code in ("23502", "23514") or code.startswith("22"):
        return InvalidInput("A value does not fit.")
    return Conflict("This refers to something that is not there, or something else refers to it.")


def _failed(code: str, error: BaseException, when: When) -> CallError | Defect:
    if is_away(error):
        return DatabaseAway(outcome_unknown=when.writing and when.committing)
    if code.startswith(_FOR_NOW) or (code == "25006" and when.writing):
        return DatabaseAway()
    if code in ("57014", "25P04"):
        return TimedOut("The database took too long over this.")
    if code == "42501":
        return Forbidden()
    if code == "25006":
        return Defect(
            "A reading transaction was asked to write: the action is safe (a GET), or transaction() lacks write=True."
        )
    return Defect("The database refused a statement.")


def _because(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error
