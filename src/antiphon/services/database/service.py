"""Wires the database: the service that opens and closes it, and the transaction that a call is given."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.context import Context
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.service import scoped, service
from antiphon.core.tenancy import Unscoped
from antiphon.services.database.address import read_address, sqlite_address
from antiphon.services.database.database import Database
from antiphon.services.database.driver import Engines, Terms
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.reach import Reach, Rows
from antiphon.services.database.schema import Schema
from antiphon.services.database.settings import DatabaseSettings
from antiphon.services.database.sqlite import open_sqlite
from antiphon.services.database.work import Within, Work


@service
async def database(settings: DatabaseSettings, info: AppInfo, schema: Schema, log: Logger) -> AsyncIterator[Database]:
    """Opens the database that the settings name, and brings its schema up to date.

    The application says what its schema is: `App(values=[Schema(metadata, folder)])`. A database that is away does not
    stop the start: calls that need it get DatabaseAway until it is there, and migrations run then.
    """
    terms = terms_of(settings, info)
    opened = Database(open_engines(terms), terms, schema, log)
    migrations = migrations_of(settings, info, schema, log)
    try:
        await opened.start(migrations.start if settings.migrate else migrations.require)
        yield opened
    finally:
        await opened.close()


@scoped
def work(ctx: Context, database: Database) -> Work:
    """The call's transaction: reading for a safe call, writing for any other, ended with the call."""
    reach, outermost = reach_of(ctx), ctx.outermost
    if outermost is not ctx:
        # A call within a call has its own scope, and the transaction of the outer one.
        shared = outermost.get(Work)
        return shared if ctx.scope == outermost.scope else Within(shared, reach)
    made = Work(database, write=not ctx.safe, time_left=ctx.time_left, reach=reach)
    ctx.at_end(made.end)
    return made


def reach_of(ctx: Context) -> Reach:
    """The rows that a call stays within: by its caller, the tenant it works in now, and its scope."""

    def rows() -> Rows:
        caller = ctx.caller
        if ctx.scope == "own":
            return Rows(caller.tenant_id, caller.id)
        # The system says what it looks at: it is granted everything, and nobody gave it to it.
        return Rows(
            caller.tenant_id, everybody=ctx.scope == "any" and not ctx.outermost.in_tenant and caller.kind == "user"
        )

    def unscoped(reason: str) -> None:
        if not any(isinstance(fact, Unscoped) and fact.reason == reason for fact in ctx.facts or ()):
            ctx.tell(Unscoped(reason))

    return Reach(rows, unscoped)


def migrations_of(settings: DatabaseSettings, info: AppInfo, schema: Schema, log: Logger) -> Migrations:
    """The migrations of an application, for the command `migrate`, which opens no service."""
    return Migrations(schema, terms_of(settings, info), wait=settings.migrate_wait, log=log)


def terms_of(settings: DatabaseSettings, info: AppInfo) -> Terms:
    """What the settings come to for this application."""
    return Terms(
        address=read_address(settings.url.reveal()) or sqlite_address(info.folder / f"{info.name}.db"),
        application=info.name,
        pool=settings.pool,
        overflow=settings.overflow,
        wait=settings.wait.total_seconds(),
        connect=settings.connect_time.total_seconds(),
        statement=settings.statement_time.total_seconds(),
        life=settings.life,
        row_security=settings.row_security,
    )


def open_engines(terms: Terms) -> Engines:
    """The pools for these terms. Nothing is connected yet."""
    if terms.address.engine == "sqlite":
        return open_sqlite(terms)
    from antiphon.services.database.postgres import open_postgres  # noqa: PLC0415  # SQLite does without asyncpg

    return open_postgres(terms)
