"""Finds the SQLSTATE of whatever a driver raised; SQLite's names become the codes that PostgreSQL would give."""

from __future__ import annotations

import re
import sqlite3

import sqlalchemy.exc

LOST = "08006"
"""The connection was lost."""

NO_CONNECTION = "53300"
"""No connection was free."""

REFUSED = ("28", "3D")
"""A server is there, and the user, the password or the database is none that it knows."""

STALE_PLAN = "0A000"
"""The table was changed since the statement was prepared on this connection; a second try prepares it again."""

GOING = frozenset({"57P01", "57P02", "57P03", "57P05"})
"""The server is shutting down, has crashed, is starting, or closed an idle connection."""

_SQLITE = {
    "SQLITE_ABORT": "57014",
    "SQLITE_AUTH": "42501",
    "SQLITE_BUSY": "55P03",
    "SQLITE_CANTOPEN": "58030",
    "SQLITE_CONSTRAINT": "23000",
    "SQLITE_CONSTRAINT_CHECK": "23514",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "23503",
    "SQLITE_CONSTRAINT_NOTNULL": "23502",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "23505",
    "SQLITE_CONSTRAINT_ROWID": "23505",
    "SQLITE_CONSTRAINT_UNIQUE": "23505",
    "SQLITE_FULL": "53100",
    "SQLITE_INTERRUPT": "57014",
    "SQLITE_IOERR": "58030",
    "SQLITE_LOCKED": "55P03",
    "SQLITE_MISMATCH": "22000",
    "SQLITE_NOMEM": "53200",
    "SQLITE_RANGE": "22000",
    "SQLITE_READONLY": "25006",
    "SQLITE_TOOBIG": "22001",
}
_SQLITE_UNIQUE = re.compile(r"UNIQUE constraint failed: (?:index '(?P<index>.+)'|(?P<columns>.+))")


def code_of(error: BaseException | None) -> str:
    """The SQLSTATE; an empty text for what is no error of a database, or one that has no code."""
    if isinstance(error, sqlalchemy.exc.TimeoutError):
        return NO_CONNECTION
    if isinstance(error, sqlalchemy.exc.StatementError):
        lost = isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated
        return _driver_code(error.orig) or (LOST if lost else "")
    return _driver_code(error)


def is_away(error: BaseException) -> bool:
    """Whether the server, or the way to it, is gone: whoever asks now would fail as well."""
    code = code_of(error)
    return code.startswith("08") or code in GOING


def unique_name(error: BaseException) -> str:
    """What was taken: the constraint's name on PostgreSQL, the columns (`users.email`) or the index on SQLite."""
    for cause in _causes(error):
        name = getattr(cause, "constraint_name", None)
        if name:
            return str(name)
        if isinstance(cause, sqlite3.Error) and (found := _SQLITE_UNIQUE.search(str(cause))):
            return found["index"] or found["columns"]
    return ""


def _driver_code(error: BaseException | None) -> str:
    for cause in _causes(error):
        if isinstance(cause, sqlite3.Error):
            name = str(getattr(cause, "sqlite_errorname", ""))
            # SQLITE_IOERR_READ and the like are told apart only where the table has a line for them.
            return _SQLITE.get(name) or _SQLITE.get("_".join(name.split("_")[:2]), "")
        state = getattr(cause, "sqlstate", None)
        if state:
            return str(state)
        if isinstance(cause, OSError):
            # TimeoutError is one: connecting took too long. Nothing else that we do with a database opens a socket.
            return "08001"
        if isinstance(cause, ValueError) and type(cause).__module__.startswith("asyncpg"):
            return "22000"  # a value that does not go into its column; asyncpg finds it before the server does
        if "closed" in str(cause) and type(cause).__name__ in ("InterfaceError", "OperationalError"):
            return LOST
    return ""


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = getattr(error, "orig", None) or error.__cause__
    return found
