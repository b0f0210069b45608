"""Makes the servers that the environment of the bench cannot hold: Go with gorilla/websocket, and Bun."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.http import making
from bench.http.making import MADE, run_to_end
from bench.http.running import NotHere

SOURCE = Path(__file__).parent / "servers" / "go"
GO_SERVER = MADE / "go-live" / "server"
GOCODE = Path("/usr/share/gocode")
"""Where Debian keeps the sources of Go packages."""

GORILLA = GOCODE / "src" / "github.com" / "gorilla" / "websocket"


def make(made: str) -> str:
    """Make what is not there yet; gives the version that will be measured. Raises NotHere when it cannot be had."""
    if made != "go":
        return making.make(made)
    if shutil.which("go") is None:
        raise NotHere("there is no go on the PATH: install your system's package, for example golang-go")
    if not GORILLA.exists():
        raise NotHere("there is no gorilla/websocket here: install Debian's golang-github-gorilla-websocket-dev")
    run_to_end(
        ["go", "build", "-o", str(GO_SERVER), "main.go"],
        cwd=SOURCE,
        GO111MODULE="off",
        GOPATH=str(GOCODE),
        GOFLAGS="",
        GOTOOLCHAIN="local",
    )
    version = run_to_end(["go", "version"]).removeprefix("go version ")
    return f"{version} with gorilla/websocket {_gorilla_version()}"


def _gorilla_version() -> str:
    try:
        package = "golang-github-gorilla-websocket-dev"
        return run_to_end(["dpkg-query", "--show", "--showformat=${Version}", package])
    except NotHere:
        return "(of unknown version)"
