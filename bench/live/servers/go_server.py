"""Go with gorilla/websocket: this process becomes the program that was built from go/main.go."""

from __future__ import annotations

import os

from bench.live.making import GO_SERVER


def serve_on(port: int) -> None:
    """Serve."""
    os.execve(GO_SERVER, [str(GO_SERVER), str(port)], os.environ | {"GOMAXPROCS": "1"})  # noqa: S606  # it is ours
