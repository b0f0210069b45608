"""The method: every server is visited once a round and a work, in a shuffled order, so that a slow minute hurts all."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.http.machine import Cores
from bench.http.running import BenchFault, NotHere, free_ports
from bench.live.fans import StoodStill, measure_fan
from bench.live.idle import measure_idle
from bench.live.making import make
from bench.live.peers import OURS, LivePeer, Work
from bench.live.proof import prove
from bench.live.running import LiveRunning
from bench.live.stalls import measure_stall
from bench.live.trips import measure_trips
from bench.live.visits import Visit

SEED = 20_240
SETTLE_SECONDS = 0.2
"""For what the end of a visit still has to say, before the server is frozen: it closes a thousand sockets."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured; so many rounds, and fewer where a visit takes long."""

    peers: list[LivePeer]
    works: list[Work]
    rounds: int
    long_rounds: int
    seconds: float
    warm_up: float
    idle: int


@dataclass
class Servers:
    """What runs; what was made has a version, what is left out a reason."""

    cores: Cores
    ports: Iterator[int] = field(default_factory=free_ports)
    running: dict[str, LiveRunning] = field(default_factory=dict[str, LiveRunning])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    left_out: dict[tuple[str, Work | None], str] = field(default_factory=dict[tuple[str, Work | None], str])

    def leave_out(self, peer: LivePeer, reason: object, work: Work | None = None) -> None:
        """Go on without this peer, or without it at this work; says why."""
        self.left_out[peer.name, work] = str(reason)
        print(f"left out: {self.reason(peer.name, work)}", file=sys.stderr)

    def reason(self, peer: str, work: Work | None) -> str:
        """Why this one is left out, in a line."""
        return f"{peer}{f' ({work})' if work else ''}: {self.left_out[peer, work]}"

    def start(self, peer: LivePeer) -> LiveRunning:
        """A new server."""
        return LiveRunning(peer, self.cores.server, self.ports)


@contextmanager
def started(plan: Plan, cores: Cores) -> Generator[Servers]:
    """Start every server, prove it, and freeze it; end them all with the block."""
    servers = Servers(cores)
    try:
        for peer in plan.peers:
            try:
                if peer.made:
                    servers.versions[peer.name] = make(peer.made)
                server = servers.running[peer.name] = servers.start(peer)
                server.await_ready()
            except NotHere as reason:
                if peer.name == OURS:
                    raise BenchFault(f"{OURS} cannot be imported: {reason}") from reason
                if peer.name in servers.running:
                    servers.running.pop(peer.name).stop()
                servers.leave_out(peer, reason)
                continue
            prove(server)
            time.sleep(SETTLE_SECONDS)
            server.freeze()
        if not servers.running:
            raise BenchFault("none of the servers can be had; install the bench environment (bench/locked.txt)")
        yield servers
    finally:
        for server in servers.running.values():
            server.stop()


def measure(plan: Plan, servers: Servers) -> Iterator[Visit]:
    """Every visit of every round, as it is made. A peer that breaks at a work is left out of it from then on."""
    order = random.Random(SEED)  # the same order in every run
    peers = list(plan.peers)
    for work, number in _stages(plan):
        order.shuffle(peers)
        for peer in peers:
            if work not in peer.works or peer.name not in servers.running or (peer.name, work) in servers.left_out:
                continue
            try:
                figures, said = _visit(plan, servers, peer, work)
            except (BenchFault, StoodStill, OSError) as fault:
                said = "watchers were not shown an event in time" if isinstance(fault, StoodStill) else str(fault)
                if peer.name == OURS:
                    raise BenchFault(f"{OURS}, {work}: {said}") from fault
                servers.leave_out(peer, said, work)
                continue
            yield Visit(peer.name, work, number, figures, said)


def _stages(plan: Plan) -> Iterable[tuple[Work, int]]:
    long: tuple[Work, ...] = ("stall", "idle")
    for number in range(1, max(plan.rounds, plan.long_rounds) + 1):
        for work in plan.works:
            if number <= (plan.long_rounds if work in long else plan.rounds):
                yield work, number


def _visit(plan: Plan, servers: Servers, peer: LivePeer, work: Work) -> tuple[dict[str, float], str]:
    with _at_work(servers, peer, fresh=work == "idle") as server:
        if work == "idle":
            return measure_idle(server, plan.idle)
        if work == "stall":
            return measure_stall(server, warm_up=plan.warm_up, seconds=plan.seconds)
        measures: dict[Work, Callable[..., dict[str, float]]] = {"trips": measure_trips, "fan": measure_fan}
        return measures[work](server, warm_up=plan.warm_up, seconds=plan.seconds), ""


@contextmanager
def _at_work(servers: Servers, peer: LivePeer, *, fresh: bool) -> Generator[LiveRunning]:
    """The server of this peer, thawed; for what is weighed, one that has done nothing yet."""
    if fresh:
        server = servers.start(peer)
        try:
            server.await_ready()
            server.thaw()
            yield server
        finally:
            server.stop()
        return
    server = servers.running[peer.name]
    server.thaw()
    time.sleep(SETTLE_SECONDS)
    try:
        yield server
    finally:
        time.sleep(SETTLE_SECONDS)
        server.freeze()
