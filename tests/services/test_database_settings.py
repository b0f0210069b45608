"""The address of the database: the forms it takes, what is refused, and that its password is seen nowhere."""

from __future__ import annotations

import traceback
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.secrets import Secret
from antiphon.core.settings import load
from antiphon.services.database import DatabaseAway, DatabaseSettings
from antiphon.services.database.address import read_address
from antiphon.services.database.service import terms_of
from tests.services.database_stage import Lines, opened

INFO = AppInfo("olympus", "1.0.0", "test", Path("/data"))
PASSWORD = "tr0ub4dor"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:tr0ub4dor@db.example.org:5433/shop",
        "postgres://ada:tr0ub4dor@db.example.org:5433/shop",
        "postgresql+asyncpg://ada:tr0ub4dor@db.example.org:5433/shop?sslmode=require",
    ],
)
def test_the_usual_forms_of_postgresql_are_understood(url: str) -> None:
    """However a platform writes it, the driver is given one form."""
    address = read_address(url)

    assert address is not None
    assert (address.engine, address.shown) == ("postgresql", "postgresql://db.example.org:5433/shop")
    assert address.dsn.reveal().startswith("postgresql://ada:tr0ub4dor@db.example.org:5433/shop")


@pytest.mark.parametrize("hosts", ["one:5432,two:5433", "[::1]:5432", "10.0.0.7", "ada%40home:tr0ub4dor@db"])
def test_several_hosts_and_numbers_are_addresses(hosts: str) -> None:
    """As libpq takes them."""
    address = read_address(f"postgresql://{hosts}/shop")

    assert address is not None
    assert address.shown == f"postgresql://{hosts.rpartition('@')[2]}/shop"


def test_a_unix_socket_is_an_address() -> None:
    """The folder of the socket stands in the query."""
    address = read_address("postgresql://ada@/shop?host=/run/postgresql")

    assert address is not None
    assert (address.engine, address.shown) == ("postgresql", "postgresql:///run/postgresql/shop")


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:////data/shop.db", Path("/data/shop.db")), ("sqlite:///shop%20two.db", Path.cwd() / "shop two.db")],
)
def test_sqlite_takes_a_path(url: str, path: Path) -> None:
    """Three slashes and a relative path, or four and an absolute one."""
    address = read_address(url)

    assert address is not None
    assert (address.engine, address.path) == ("sqlite", path)


def test_without_an_address_it_is_a_file_of_the_application() -> None:
    """Nothing has to be set to begin."""
    terms = terms_of(DatabaseSettings(), INFO)

    assert (terms.address.engine, terms.address.path) == ("sqlite", Path("/data/olympus.db"))


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:tr0ub4dor@host/shop",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite://file.db",
        "tr0ub4dor",
        "postgresql://[:tr0ub4dor",
        "postgresql://ada:tr0ub4dor/2@host/shop",
        "postgresql://ada:7#tr0ub4dor@host/shop",
        "postgresql://ada:7/tr0ub4dor@host/shop",
        "postgresql://ada:tr0ub4dor",
    ],
)
def test_other_addresses_are_refused_without_being_repeated(url: str) -> None:
    """What is wrong is said, with an example; what was written is not, as it may hold a password."""
    with pytest.raises(SetupError) as caught:
        read_address(url)

    assert "Write " in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_the_environment_says_where_the_database_is() -> None:
    """DATABASE_URL and DATABASE_POOL are read."""
    loaded = load(
        [DatabaseSettings], environ={"DATABASE_URL": "postgres://host/shop", "DATABASE_POOL": "3"}, environment="test"
    )

    settings = loaded[DatabaseSettings]
    assert (settings.url.reveal(), settings.pool) == ("postgres://host/shop", 3)


def test_a_wrong_address_is_a_fault_of_the_setting() -> None:
    """It stops the start with the setting's name, beside every other fault."""
    with pytest.raises(SetupError) as caught:
        load(
            [DatabaseSettings],
            environ={"DATABASE_URL": f"mysql://root:{PASSWORD}@host/shop", "DATABASE_WAIT": "0s"},
            environment="test",
        )

    assert "database.url" in str(caught.value)
    assert "database.wait" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_the_bounds_are_those_of_the_specification() -> None:
    """10 connections and 5 more, 2 s for one, 1 s to connect, 5 s for a statement, 30 min of life, 60 s of patience."""
    settings = DatabaseSettings()

    assert (settings.pool, settings.overflow) == (10, 5)
    seconds = [settings.wait, settings.connect_time, settings.statement_time, settings.life, settings.migrate_wait]
    assert seconds == [timedelta(seconds=n) for n in (2, 1, 5, 1800, 60)]


async def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    """Not in the log, not in the error of a call, not in its traceback, and not in what prints the objects."""
    lines = Lines()
    url = f"postgresql://ada:{PASSWORD}@/shop?host={tmp_path}"
    async with opened(url, log=lines) as database:
        async with database.transaction() as work:
            with pytest.raises(DatabaseAway) as caught:
                await work.execute(text("SELECT 1"))
        shown = [repr(database), repr(vars(database)), lines.text, "".join(traceback.format_exception(caught.value))]

    assert "database.away" in lines.events
    assert PASSWORD not in "".join(shown)
    settings = DatabaseSettings(url=Secret(url))
    assert PASSWORD not in repr(settings) + repr(terms_of(settings, INFO))
