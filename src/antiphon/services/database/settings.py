"""The settings of the database: where it is, and how long anything with it may take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault, SetupError
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, doc, env
from antiphon.services.database.address import read_address


class DatabaseSettings(Settings, frozen=True):
    """The section `database`. Without a URL the application keeps its own SQLite file."""

    section: ClassVar[str] = "database"

    url: Annotated[
        Secret[str],
        env("DATABASE_URL"),
        doc("postgresql://user:password@host/name or sqlite:///path; empty is a SQLite file in the folder `var`."),
    ] = Secret("")
    pool: Annotated[int, Meta(ge=1, le=1000), doc("How many connections are kept open.")] = 10
    overflow: Annotated[int, Meta(ge=0, le=1000), doc("How many more may be opened when those are in use.")] = 5
    wait: Annotated[
        timedelta, doc("How long a call waits for a free connection, or for its turn to write (SQLite).")
    ] = timedelta(seconds=2)
    connect_time: Annotated[timedelta, doc("How long opening a connection may take.")] = timedelta(seconds=1)
    statement_time: Annotated[timedelta, doc("How long one statement may take; less when the call has less left.")] = (
        timedelta(seconds=5)
    )
    life: Annotated[timedelta, doc("How old a connection may grow before it is replaced.")] = timedelta(minutes=30)
    row_security: Annotated[
        bool,
        doc("Whether PostgreSQL itself keeps tenants apart too, by policies. `migrate` makes and removes them."),
    ] = False
    migrate: Annotated[bool, doc("Whether the schema is brought up to date at the start.")] = True
    migrate_wait: Annotated[timedelta, doc("How long a process waits for another one that is migrating.")] = timedelta(
        seconds=60
    )

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """A URL of another kind, times of nothing, and walls that SQLite does not have."""
        try:
            address = read_address(self.url.reveal())
        except SetupError as error:
            yield Fault("url", str(error))
        else:
            if self.row_security and (address is None or address.engine != "postgresql"):
                yield Fault("row_security", "needs PostgreSQL: SQLite has no policies. Set database.url, or leave it")
        for name in ("wait", "connect_time", "statement_time", "life"):
            if getattr(self, name) <= timedelta():
                yield Fault(name, 'is too short: write a duration above zero, such as "1s"')

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """A file that only one machine has."""
        try:
            address = read_address(self.url.reveal())
        except SetupError:
            return
        if address is None or address.engine == "sqlite":
            yield Fault("url", "names no PostgreSQL server: the data is in a file of this machine, with one writer")
