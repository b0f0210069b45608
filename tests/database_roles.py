"""Roles of PostgreSQL: an application that runs as one, and what the owner of the database does beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool


async def as_owner(url: str, *statements: str) -> list[Any]:
    """Run statements as the one who made the database, and give what the last of them gave."""
    engine = create_async_engine(url, poolclass=NullPool)
    found: list[Any] = []
    async with engine.begin() as connection:
        for statement in statements:
            result = await connection.execute(text(statement))
            found = [*result.scalars()] if result.returns_rows else []
    return found


def url_as(url: str, role: str) -> str:
    """The same database, for another role."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{parts.netloc.rpartition('@')[2]}"))


@asynccontextmanager
async def role(url: str, attributes: str = "") -> AsyncGenerator[str]:
    """A role of its own, and afterwards none; gives its name. Roles belong to the whole server."""
    name = f"choir_{token_hex(4)}"
    await as_owner(url, f"CREATE ROLE {name} LOGIN PASSWORD '{name}' {attributes}")
    try:
        yield name
    finally:
        await as_owner(url, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")
