"""Word from process to process through PostgreSQL: it is heard by all who listen, also after the server was away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import text

from antiphon import Database
from antiphon.services.database.notices import Notices
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import ONLY_POSTGRESQL, ONLY_SQLITE, opened

CHANNEL = "antiphon_test"


class Ear:
    """One listener and what it heard."""

    def __init__(self, database: Database, channel: str = CHANNEL) -> None:
        self.heard = 0
        notices = database.notices(channel, self._hear)
        assert notices is not None
        self.notices: Notices = notices

    def _hear(self) -> None:
        self.heard += 1

    async def hears(self, count: int) -> None:
        """Wait until it has heard so many words."""
        await wait_until(lambda: self.heard >= count, f"{count} words were never heard", within=20.0)


@asynccontextmanager
async def listening(*ears: Ear) -> AsyncGenerator[None]:
    """Listen with these, each of them connected."""
    for ear in ears:
        ear.notices.begin()
    try:
        for ear in ears:
            await ear.hears(1)
        yield
    finally:
        await asyncio.gather(*(ear.notices.close() for ear in ears))


@ONLY_POSTGRESQL
async def test_everybody_on_the_channel_hears_a_word(database_url: str) -> None:
    """And nobody on another one. To connect counts as a word: something may have been missed."""
    async with opened(database_url) as database:
        one, two, other = Ear(database), Ear(database), Ear(database, "antiphon_other")
        async with listening(one, two, other):
            one.notices.ring()

            await two.hears(2)
            assert other.heard == 1


@ONLY_POSTGRESQL
async def test_a_listener_whose_connection_was_cut_listens_again(database_url: str) -> None:
    """It is told to look, and hears the next word."""
    async with opened(database_url) as database:
        ear, speaker = Ear(database), Ear(database)
        async with listening(ear, speaker):
            async with database.transaction() as work:
                await work.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                    )
                )
            await ear.hears(2)
            await speaker.hears(2)
            before = ear.heard

            speaker.notices.ring()

            await ear.hears(before + 1)


@ONLY_POSTGRESQL
async def test_a_word_without_a_connection_is_lost_in_silence(database_url: str) -> None:
    """Whoever needs to know looks by itself."""
    async with opened(database_url) as database:
        ear = Ear(database)

        ear.notices.ring()
        await ear.notices.close()

        assert ear.heard == 0


@ONLY_SQLITE
async def test_sqlite_has_no_such_thing(database_url: str) -> None:
    """Its processes look by themselves."""
    async with opened(database_url) as database:
        assert database.notices(CHANNEL, lambda: None) is None
