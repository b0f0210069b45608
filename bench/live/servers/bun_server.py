"""Bun: this process becomes bun, running bun/server.js."""

from __future__ import annotations

import os
from pathlib import Path

from bench.http.making import bun

SCRIPT = Path(__file__).parent / "bun" / "server.js"


def serve_on(port: int) -> None:
    """Serve."""
    program = bun()
    if program is None:
        raise ImportError("bun was not made")
    os.execv(program, [str(program), "run", str(SCRIPT), str(port)])  # noqa: S606  # the program is ours
