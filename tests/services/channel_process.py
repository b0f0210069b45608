"""A process of its own that watches the board for some users until it is killed: `url prefix user …`."""

from __future__ import annotations

import asyncio
import sys

from tests.services.channel_stage import QUICK, node


async def run(url: str, prefix: str, *users: str) -> None:
    """Watch, say so, and wait for the end."""
    async with node(url, prefix, QUICK) as here:
        for name in users:
            await here.screen(name).watch("board")
        print("watching", flush=True)  # noqa: T201  # it is read by the test
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
