"""Under another server, what stands at the start is left out of the collector's walks from start to stop."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, gc, json
from pathlib import Path
from antiphon import App, Http

async def main():
    seen = []
    events = iter(("startup", "shutdown"))

    async def receive():
        seen.append(gc.get_freeze_count())
        return {"type": "lifespan." + next(events)}

    async def send(event):
        assert event["type"].endswith("complete"), event

    await App("settled", transports=[Http()], folder=Path()).asgi({"type": "lifespan"}, receive, send)
    print(json.dumps([*seen, gc.get_freeze_count()]))

asyncio.run(main())
"""


@pytest.mark.parametrize("environment", ["development", "test"])
async def test_a_server_is_settled_and_a_test_is_not(tmp_path: Path, environment: str) -> None:
    """A process that tests has one application after another, and needs their cycles to be found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        cwd=tmp_path,
        env={**os.environ, "ANTIPHON_ENV": environment},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    before, serving, after = json.loads(said.splitlines()[-1])

    # Python 3.12 begins with some hundred objects of its own, which are taken back with ours.
    if environment == "development":
        assert (serving > before + 10_000, after) == (True, 0)
    else:
        assert serving == after == before
