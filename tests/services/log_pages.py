"""A file that a test gives a log, and reads."""

from __future__ import annotations

import io
import json
from typing import Any

from antiphon.services.logs import Log, LogSettings, open_log
from antiphon.services.logs.settings import Format, Level
from antiphon.testing.clock import StandingClock


class Pages(io.BytesIO):
    """A file for a log, read as lines."""

    @property
    def text(self) -> str:
        """Everything written."""
        return self.getvalue().decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Every line, read as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        """The only line."""
        (line,) = self.lines
        return line


def log_into(
    pages: io.BufferedIOBase, *, level: Level = "debug", format: Format = "json", terminal: bool = False
) -> Log:
    """A log into this file, whose clock stands at 2026-01-02 03:04:05."""
    settings = LogSettings(level=level, format=format)
    return open_log(pages, settings, StandingClock(), terminal=terminal, production=False)  # pyright: ignore[reportArgumentType]  # BytesIO has all that is asked of a file
