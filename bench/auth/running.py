"""The server of a run, and what hashing alone comes to on the same core."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.http.peers import ITS_OWN, OURS, Peer
from bench.http.running import ROOT, BenchFault, Running

PACKAGES = ("antiphon", "redis", "hiredis", "argon2-cffi", "joserfc", "sqlalchemy", "aiosqlite")
PEER = Peer("antiphon", OURS, "server", PACKAGES, ITS_OWN, own_port=True)


class AuthRunning(Running):
    """The application of `bench.auth.server` on a core of its own."""

    def __init__(self, core: int, ports: Iterator[int], store: str, folder: str) -> None:
        self._store, self._folder = store, folder
        super().__init__(PEER, core, ports, python=None, layered=False)

    def command(self, python: str, core: int) -> list[str]:
        """What starts the server; the port is added to it."""
        return [*_child(python, core), "--store", self._store, "--folder", self._folder]


def hashes_a_second(core: int, seconds: float) -> float:
    """How many passwords are checked in a second on this core, with nothing else to do there."""
    command = [*_child(sys.executable, core), "--hash", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchFault(f"hashing ended with {done.returncode}: {done.stderr.strip()}")
    return float(done.stdout.strip().splitlines()[-1])


def _child(python: str, core: int) -> list[str]:
    return [python, "-m", "bench.auth.serve", "--core", str(core)]
