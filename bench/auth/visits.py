"""One visit to one case: what it costs under load, and what the store is asked for one call."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bench.auth.cases import Case
from bench.auth.people import Person
from bench.http.load import Load, drive
from bench.http.running import BenchFault, Running
from bench.jobs.store import BenchStore

CONNECTIONS = 64
ASKED = 200
_OWN = ("config|resetstat", "info")
"""What the bench itself asks the store."""


@dataclass(frozen=True)
class Visit:
    """One measurement of one case; `store_cpu` is in seconds, and beside that of the server."""

    case: str
    round: int
    load: Load
    store_cpu: float

    @property
    def store(self) -> float:
        """Microseconds of the store's CPU for a call."""
        return self.store_cpu / self.load.requests * 1e6

    def facts(self) -> Mapping[str, object]:
        """This visit as plain values."""
        load = {"rate": round(self.load.rate, 1), "cpu_micros": round(self.load.cpu, 3)}
        return asdict(self) | load | {"store_micros": round(self.store, 3)}


@dataclass(frozen=True)
class Trips:
    """What the store saw of one call: `reads` are the times it was spoken to, `commands` what was said."""

    case: str
    reads: float
    commands: Mapping[str, float]


def visit(
    server: Running, store: BenchStore, person: Person, case: Case, number: int, *, warm_up: float, seconds: float
) -> Visit:
    """Keep 64 connections busy with one case."""
    spent: list[float] = []

    def server_cpu() -> float:
        # Asked at the beginning and at the end of the measured time, which is when the store's is of interest as well.
        spent.append(store.cpu_seconds())
        return server.cpu_seconds()

    load = drive(
        server.port,
        person.request(case, server.port),
        connections=CONNECTIONS,
        pipeline=1,
        warm_up=warm_up,
        seconds=seconds,
        server_cpu=server_cpu,
        # The store runs on the same core.
        sleeps=True,
    )
    return Visit(case.key, number, load, spent[-1] - spent[0])


def trips_of(server: Running, store: BenchStore, person: Person, case: Case) -> Trips:
    """Ask one by one, and look what the store has counted meanwhile.

    A read of a client's socket is a trip, however many commands it holds and its scripts call.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = dict(line.split(": ", 1) for line in person.request(case, server.port).decode().splitlines()[1:] if line)
    try:
        _ask(connection, case, headers)
        before = store.asked()
        for _ in range(ASKED):
            _ask(connection, case, headers)
        after = store.asked()
    finally:
        connection.close()
    counted = {name: (count - before.get(name, 0)) / ASKED for name, count in after.items()}
    # The question itself is one read, and so is whatever the server asks now and then by itself.
    reads = counted.pop("reads") - 1 / ASKED
    return Trips(case.key, reads, {name: each for name, each in counted.items() if each > 0.5 and name not in _OWN})


def _ask(connection: http.client.HTTPConnection, case: Case, headers: Mapping[str, str]) -> None:
    connection.request("GET", case.path, headers=dict(headers))
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise BenchFault(f"{case.words}: {case.path} was answered {answer.status}")
