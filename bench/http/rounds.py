"""The method: every server is visited once a round, in a shuffled order, so that a slow minute hurts all alike."""

from __future__ import annotations

import random
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.http.load import Load, drive
from bench.http.machine import Cores
from bench.http.peers import Peer
from bench.http.proof import prove
from bench.http.running import BenchFault, NotHere, Running
from bench.http.works import Work, WorkName
from bench.http.wrk import drive_with_wrk

SEED = 20_240


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    peers: list[Peer]
    works: list[Work]
    connections: list[int]
    rounds: int
    seconds: float
    warm_up: float
    generator: str


@dataclass(frozen=True)
class Visit:
    """One measurement of one server at one work."""

    peer: str
    work: WorkName
    connections: int
    round: int
    load: Load

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.load.requests / self.load.seconds

    @property
    def cpu(self) -> float:
        """Microseconds of server CPU per request."""
        return self.load.server_cpu / self.load.requests * 1e6

    def facts(self) -> Mapping[str, object]:
        """This visit as plain values."""
        return asdict(self) | {"rate": round(self.rate, 1), "cpu_micros": round(self.cpu, 3)}


type Servers = dict[tuple[str, bool], Running]


@contextmanager
def started(plan: Plan, cores: Cores) -> Generator[Servers]:
    """Start every server, prove it, and freeze it. What cannot be imported is left out, with a line saying so."""
    servers: Servers = {}
    try:
        for peer in plan.peers:
            for layered in sorted({work.layered for work in plan.works}):
                servers[peer.name, layered] = Running(peer, cores.server, layered=layered)
        missing: dict[str, NotHere] = {}
        for key, server in list(servers.items()):
            try:
                server.await_ready()
            except NotHere as reason:
                missing[server.peer.name] = reason
                servers.pop(key).stop()
                continue
            prove(server)
            server.freeze()
        for name, reason in missing.items():
            print(f"left out: {name} cannot be imported ({reason})", file=sys.stderr)
        if not servers:
            raise BenchFault("none of the servers can be imported; install the bench environment (bench/locked.txt)")
        yield servers
    finally:
        for server in servers.values():
            server.stop()


def measure(plan: Plan, servers: Servers) -> Iterator[Visit]:
    """Every visit of every round, as it is made."""
    order = random.Random(SEED)
    names = [peer.name for peer in plan.peers]
    for number in range(1, plan.rounds + 1):
        for connections in plan.connections:
            for work in plan.works:
                order.shuffle(names)
                for name in names:
                    server = servers.get((name, work.layered))
                    if server is not None:
                        yield Visit(name, work.name, connections, number, _visit(plan, server, work, connections))


def _visit(plan: Plan, server: Running, work: Work, connections: int) -> Load:
    server.thaw()
    try:
        if plan.generator == "wrk":
            return drive_with_wrk(
                server.port,
                work,
                connections=connections,
                warm_up=plan.warm_up,
                seconds=plan.seconds,
                server_cpu=server.cpu_seconds,
            )
        return drive(
            server.port,
            work.request(server.port),
            connections=connections,
            warm_up=plan.warm_up,
            seconds=plan.seconds,
            server_cpu=server.cpu_seconds,
        )
    except OSError as error:
        raise BenchFault(f"{server.peer.name} broke off under load ({error}): {server.said()}") from error
    finally:
        server.freeze()
