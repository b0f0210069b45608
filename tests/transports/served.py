"""An application with pages and static files, served on a real socket for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from antiphon.application import App
from antiphon.core.module import Module
from antiphon.testing.app import BASE, HttpClient
from antiphon.transports.http.static import Static
from antiphon.transports.http.transport import Http

NAME = "people & <places>"


@asynccontextmanager
async def served(
    folder: Path,
    *,
    modules: Iterable[Module | str] = (),
    static: Iterable[Static] = (),
    environ: Mapping[str, str] | None = None,
) -> AsyncGenerator[HttpClient]:
    """A client of an application that keeps its own data in this folder."""
    http = Http(static=static)
    app = App(NAME, modules=modules, transports=[http], folder=folder)
    async with app.running(environ={**BASE, **(environ or {})}, listen=True):
        yield HttpClient(http.port)
