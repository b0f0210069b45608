"""The database: transactions on SQLite or PostgreSQL, their deadlines and errors, and the migrations of the schema."""

from __future__ import annotations

from antiphon.services.database.columns import Id, UtcDateTime
from antiphon.services.database.database import Database
from antiphon.services.database.errors import DatabaseAway, Taken
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.schema import NAMES, Schema
from antiphon.services.database.service import database, migrations_of, work
from antiphon.services.database.settings import DatabaseSettings
from antiphon.services.database.work import Work

__all__ = [
    "NAMES",
    "Database",
    "DatabaseAway",
    "DatabaseSettings",
    "Id",
    "Migrations",
    "Schema",
    "Taken",
    "UtcDateTime",
    "Work",
    "database",
    "migrations_of",
    "work",
]
