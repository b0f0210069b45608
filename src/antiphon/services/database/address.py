"""Reads a database URL: which engine, and where. What is shown of it never holds the password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from antiphon.core.errors import SetupError
from antiphon.core.secrets import Secret

type Engine = Literal["sqlite", "postgresql"]

_EXAMPLES = (
    "Write postgresql://user:password@host:5432/name, postgresql:///name?host=/folder/of/the/socket or sqlite:///path"
)

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]@]*)(:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the database is: a file of SQLite, or what PostgreSQL's drivers call a DSN."""

    engine: Engine
    shown: str
    path: Path | None = None
    dsn: Secret[str] = field(default_factory=lambda: Secret(""))


def read_address(url: str) -> Address | None:
    """The address in a URL; None for an empty one. Raises SetupError, which repeats nothing of the URL."""
    if not url.strip():
        return None
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        raise SetupError(f"is no URL of a database. {_EXAMPLES}.")
    match scheme.lower():
        case "sqlite" | "sqlite+aiosqlite":
            return _sqlite(rest)
        case "postgresql" | "postgres" | "postgresql+asyncpg":
            return _postgresql(f"postgresql://{rest}")
        case _:
            raise SetupError(f"names an engine that is not supported; there are PostgreSQL and SQLite. {_EXAMPLES}.")


def sqlite_address(path: Path) -> Address:
    """The address of a SQLite file."""
    return Address("sqlite", f"sqlite:///{path}", path=path.absolute())


def _sqlite(rest: str) -> Address:
    path, _, query = rest.partition("?")
    name = unquote(path.removeprefix("/"))
    if not path.startswith("/") or query:
        raise SetupError("is no address of a SQLite file. Write sqlite:///relative/path or sqlite:////absolute/path.")
    if name in ("", ":memory:"):
        # Readers and the writer are different connections, and each would have a memory of its own.
        raise SetupError("names a database in memory, which is not supported. Write sqlite:///path of a file.")
    return sqlite_address(Path(name))


def _postgresql(url: str) -> Address:
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
    except ValueError:
        raise _unreadable() from None
    hosts = parts.netloc.rpartition("@")[2]
    # An unescaped / # ? or @ in a password ends the part it stands in. What is left must not be taken for a host, nor
    # shown as one.
    if parts.fragment or "@" in parts.path or not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        raise _unreadable()
    return Address("postgresql", f"postgresql://{hosts or query.get('host', '')}{parts.path}", dsn=Secret(url))


def _unreadable() -> SetupError:
    return SetupError(f"cannot be read. Escape characters such as / # ? @ [ ] in the password, as in %2F. {_EXAMPLES}.")
