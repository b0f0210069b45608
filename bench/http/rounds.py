"""The method: every server is visited once a round, in a shuffled order, so that a slow minute hurts all alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from bench.http.load import Load, drive
from bench.http.peers import OURS, Peer
from bench.http.running import BenchFault, Running
from bench.http.starting import Servers
from bench.http.works import WORKS, Ask
from bench.http.wrk import drive_with_wrk

SEED = 20_240


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    peers: list[Peer]
    asks: list[Ask]
    rounds: int
    seconds: float
    warm_up: float
    generator: str


@dataclass(frozen=True)
class Visit:
    """One measurement of one server that was asked in one way."""

    peer: str
    ask: Ask
    round: int
    load: Load

    def facts(self) -> Mapping[str, object]:
        """This visit as plain values."""
        return asdict(self) | {"rate": round(self.load.rate, 1), "cpu_micros": round(self.load.cpu, 3)}


def measure(plan: Plan, servers: Servers) -> Iterator[Visit]:
    """Every visit of every round, as it is made. A peer that breaks under a load is left out of it from then on."""
    order = random.Random(SEED)
    peers = list(plan.peers)
    for number in range(1, plan.rounds + 1):
        for ask in plan.asks:
            order.shuffle(peers)
            for peer in peers:
                server = servers.of(peer.name, ask)
                if server is None:
                    continue
                try:
                    yield Visit(peer.name, ask, number, _visit(plan, server, ask))
                except BenchFault as fault:
                    if peer.name == OURS:
                        raise BenchFault(f"{OURS}, {ask.words}: {fault}") from fault
                    servers.leave_out(peer, fault, ask)


def _visit(plan: Plan, server: Running, ask: Ask) -> Load:
    server.thaw()
    send = drive_with_wrk if plan.generator == "wrk" else drive
    try:
        return send(
            server.port,
            WORKS[ask.work].request(server.port, ask.headers),
            connections=ask.connections,
            pipeline=ask.pipeline,
            warm_up=plan.warm_up,
            seconds=plan.seconds,
            server_cpu=server.cpu_seconds,
        )
    except OSError as error:
        raise BenchFault(f"it broke off under load ({error}): {server.said()}") from error
    finally:
        server.freeze()
