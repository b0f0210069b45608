"""How a page of the tour runs the application it has just written."""

from __future__ import annotations

from typing import Protocol

from antiphon import App
from antiphon.testing.app import TestApp


class Run(Protocol):
    """Starts an application for the rest of the test."""

    async def __call__(self, app: App, **settings: str) -> TestApp:
        """Start it, with settings by their names in the environment."""
        ...
