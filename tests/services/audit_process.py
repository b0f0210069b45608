"""A process of its own that adds rows to an audit log: `url name times`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

from antiphon.services.audit.chain import Entry, append
from tests.services.audit_stage import SCHEMA
from tests.services.database_stage import opened


async def run(url: str, name: str, times: int) -> None:
    """Add rows, each in a transaction of its own."""
    async with opened(url, schema=SCHEMA) as database:
        for number in range(times):
            entry = Entry(datetime.now(UTC), name, None, "process:add", str(number), "done", "", "")
            async with database.transaction(write=True) as work:
                await append(work, [entry])


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
