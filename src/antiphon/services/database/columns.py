"""Column types that behave the same on SQLite and PostgreSQL: times in UTC, and ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect, Uuid
from sqlalchemy.types import TypeDecorator, TypeEngine

from antiphon.core.errors import InvalidInput


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: stored in UTC, given back aware and in UTC. A time without an offset is refused with ValueError.

    PostgreSQL has `timestamptz`. SQLite has text without an offset, always in UTC and always of the same width, so that
    its order is the order of time; SQLAlchemy's own type would store the local time there and forget which.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without an offset was given to the database. Use datetime.now(UTC) or ctx.now.")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Id(TypeDecorator[str]):
    """An id as `ctx.new_id()` makes it: text of 36 characters in Python, `uuid` on PostgreSQL, 32 digits on SQLite.

    Text that is no id raises InvalidInput on both engines; PostgreSQL would refuse it and SQLite find nothing.
    """

    impl = Uuid(as_uuid=False)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not self.fits(value):
            raise InvalidInput("This is not an id.")
        return str(UUID(value))

    @staticmethod
    def fits(text: str) -> bool:
        """Whether this text can be an id at all; what cannot is the id of nothing."""
        try:
            return len(text) == 36 and bool(UUID(text))
        except ValueError:
            return False
