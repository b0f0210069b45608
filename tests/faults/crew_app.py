"""An application that says which of its processes answers, to be run as a crew and made to suffer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from antiphon import App, Context, Http, Module, SetupError, Struct, action, allow, anyone, get, put, service


class Process(Struct):
    pid: int


class Strength:
    """What the application leans on."""


@service
async def strength() -> AsyncIterator[Strength]:
    """Open, unless there is a file that says what is wrong."""
    wrong = Path(os.environ["APP_HOME"]) / "wrong"
    if wrong.exists():
        raise SetupError(wrong.read_text())
    yield Strength()


@action("process:view", get("/process"), allow(anyone))
async def view_process(ctx: Context) -> Process:
    """Say which process this is."""
    return Process(os.getpid())


@action("process:wait", put("/wait"), allow(anyone))
async def wait(ctx: Context) -> Process:
    """Never end."""
    await asyncio.Event().wait()
    return Process(0)


app = App(
    "crew",
    modules=[Module(__name__)],
    transports=[Http()],
    folder=Path(os.environ.get("APP_HOME", ".")),
)

if __name__ == "__main__":
    app.main()
