"""The schema of Olympus: what its migrations make is what its program knows."""

from __future__ import annotations

from pathlib import Path

from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.services.database import DatabaseSettings, migrations_of
from antiphon.services.database.revisions import differences
from olympus.tables import schema

ASKED_BY_STRANGERS = {"password_resets"}
"""Looked up by who has not said to which tenant they belong, by a secret, and by nothing else."""


async def test_the_migrations_make_the_tables_of_the_program(database_url: str) -> None:
    """On both engines nothing is missing, and nothing is left over."""
    settings = DatabaseSettings(url=Secret(database_url))
    migrations = migrations_of(settings, AppInfo("olympus", "", "test", Path()), schema, Silent())

    assert await differences(migrations) == []


def test_every_row_of_a_person_belongs_to_a_tenant() -> None:
    """Whatever refers to a user says to which tenant it belongs, so that nothing is outside the fence."""
    of_users = [
        table
        for table in schema.metadata.tables.values()
        if any(key.column.table.name == "users" for key in table.foreign_keys)
    ]

    assert of_users
    outside = {table.name for table in of_users if "tenant_id" not in table.c or table.c.tenant_id.nullable}
    assert outside == ASKED_BY_STRANGERS
