"""Bun: this process becomes bun, running bun/server.js on one core like the rest."""

from __future__ import annotations

import os
from pathlib import Path

from bench.http.making import bun

SCRIPT = Path(__file__).parent / "bun" / "server.js"


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    program = bun()
    if program is None:
        raise ImportError("bun was not made")
    words = [str(program), "run", str(SCRIPT), str(port), "layered" if layered else "plain"]
    os.execv(program, words)  # noqa: S606  # the program is ours
