"""What `migrate` does: run the migrations that are pending, or write the next one."""

from __future__ import annotations

from typing import cast

from antiphon.core.app import App
from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.schema import Schema
from antiphon.services.database.service import terms_of
from antiphon.services.database.settings import DatabaseSettings


async def migrate(app: App, make: str | None) -> list[str]:
    """Run what is pending, or write a migration with this message; gives lines for the terminal. Raises SetupError."""
    plan = app.plan(app.gathered())
    # Tables are often written, and migrated, before the first action that uses the database.
    given, sections = app.read_settings(
        plan._replace(sections=tuple(dict.fromkeys((*plan.sections, DatabaseSettings))))
    )
    schema = given.get(Schema)
    if not isinstance(schema, Schema):
        raise SetupError(f"{app.name} has no database. Give it one: App(values=[Schema(metadata, folder)]).")
    settings = cast("DatabaseSettings", sections[DatabaseSettings])
    terms = terms_of(settings, cast("AppInfo", given[AppInfo]))
    migrations = Migrations(schema, terms, wait=settings.migrate_wait, log=Silent())
    try:
        if make is not None:
            from antiphon.services.database.revisions import make_revision  # noqa: PLC0415  # it imports Alembic

            path = await make_revision(schema, make)
            return ["nothing to do: the tables are what the migrations make" if path is None else f"wrote {path}"]
        ran = await migrations.run()
        cleared = await migrations.clear_walls()
    except Unavailable as error:
        raise SetupError(f"The database at {terms.address.shown} cannot be reached: {error}") from error
    done = [*(f"ran {name}" for name in ran), *(f"removed the policy of {name}" for name in cleared)]
    return done or ["nothing to do: the schema is up to date"]
