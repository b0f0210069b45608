"""The facts about a run that its figures mean nothing without: cores, versions, how busy the machine was."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.http.peers import Peer

BESIDE = ("uvicorn", "uvloop", "httptools", "msgspec", "pydantic")
BUSY = 0.3


@dataclass(frozen=True)
class Cores:
    """Where the two sides run."""

    server: int
    load: int


def choose_cores() -> Cores:
    """The last core for the server and the first for the load; interrupts tend to land on the first."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(server=usable[-1], load=usable[0])


def busy() -> float:
    """How many processes have run or waited in the last minute: before the load begins, how busy others are."""
    return os.getloadavg()[0]


def machine_facts(peers: list[Peer], cores: Cores, made: dict[str, str], busy: float) -> dict[str, str]:
    """What to print above the tables; `made` is what was built or installed for the run, with its versions."""
    apart = cores.server != cores.load
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "cores": f"server on {cores.server}, load on {cores.load}" if apart else "one for both: the rates mean little",
        "load before": f"{busy:.2f}"
        + (" (others were using the machine: trust CPU per request)" if busy > BUSY else ""),
        "versions": ", ".join((*(f"{name} {_version(name)}" for name in _packages(peers)), *made.values())),
    }


def _packages(peers: list[Peer]) -> list[str]:
    return list(dict.fromkeys([*(package for peer in peers for package in peer.packages), *BESIDE]))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(not installed)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
