"""An application with a worker, to be run as commands; its jobs leave signs for other processes to find."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

from antiphon import App, Context, Http, Module, Worker, action, allow, anyone, get, only, retry, service, timeout


class Sign:
    """Leaves signs in a folder, for other processes to find."""

    folder = Path(os.environ.get("APP_HOME", "."))

    def leave(self, name: str) -> None:
        """Leave a sign."""
        (self.folder / name).touch()


@service
async def sign() -> AsyncIterator[Sign]:
    """Signs in the folder of the application."""
    yield Sign()


@action("sign:leave", only("worker"), allow(anyone))
async def leave_sign(ctx: Context, name: str) -> int:
    """Leave a sign; gives the process."""
    ctx.get(Sign).leave(name)
    return os.getpid()


@action("sign:hold", only("worker"), allow(anyone))
async def hold(ctx: Context, name: str) -> None:
    """Leave a sign, and never end."""
    ctx.get(Sign).leave(name)
    await asyncio.Event().wait()


@action("sign:ignore", only("worker"), allow(anyone), timeout("100ms"), retry(attempts=1))
async def ignore(ctx: Context, name: str) -> None:
    """Leave a sign, and never end, whatever anybody says."""
    ctx.get(Sign).leave(name)
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue


@action("process:view", get("/process"), allow(anyone))
async def view_process(ctx: Context) -> int:
    """Which process this is."""
    return os.getpid()


app = App("signs", modules=[Module(__name__)], transports=[Http(), Worker()], folder=Sign.folder)

if __name__ == "__main__":
    app.main()
