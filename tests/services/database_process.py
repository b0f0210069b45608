"""A process of its own that opens a database, says which migrations it ran, and counts up: `url folder times`."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from sqlalchemy import MetaData, text

from antiphon.services.database import Schema
from tests.services.database_stage import Lines, opened

READING = {
    "sqlite": "SELECT value FROM numbers WHERE id = 1",
    "postgr": "SELECT value FROM numbers WHERE id = 1 FOR UPDATE",
}


async def run(url: str, folder: Path, times: int) -> None:
    """Migrate and print what ran; then add one, `times` times, each in a transaction of its own."""
    lines = Lines()
    async with opened(url, schema=Schema(MetaData(), folder), log=lines, wait=timedelta(seconds=60)) as database:
        print(lines.events.count("database.migrated"), flush=True)  # noqa: T201  # it is read by the test
        for _ in range(times):
            async with database.transaction(write=True) as work:
                value = (await work.execute(text(READING[url[:6]]))).scalar_one()
                await work.execute(text("UPDATE numbers SET value = :value WHERE id = 1"), {"value": value + 1})


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
