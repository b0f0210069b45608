"""Go's net/http: this process becomes the program that was built from go/main.go, on one core like the rest."""

from __future__ import annotations

import os

from bench.http.making import GO_SERVER


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    words = [str(GO_SERVER), str(port), "layered" if layered else "plain"]
    os.execve(GO_SERVER, words, os.environ | {"GOMAXPROCS": "1"})  # noqa: S606  # the program is ours
