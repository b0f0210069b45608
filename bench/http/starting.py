"""Starts the servers of a run: makes what must be made, proves each, and says of every one left out why it is."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException

from bench.http.machine import Cores
from bench.http.making import ROBYN_PYTHON, make
from bench.http.peers import OURS, Peer
from bench.http.proof import prove, prove_pipelining
from bench.http.running import BenchFault, NotHere, Running, free_ports
from bench.http.works import WORKS, Ask


@dataclass(frozen=True)
class Servers:
    """What runs: each peer with and without layers. What was made has a version; what is left out has a reason."""

    running: dict[tuple[str, bool], Running] = field(default_factory=dict[tuple[str, bool], Running])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    left_out: dict[tuple[str, Ask | None], str] = field(default_factory=dict[tuple[str, Ask | None], str])

    def of(self, peer: str, ask: Ask) -> Running | None:
        """The server to ask, when there is one and it can be asked in this way."""
        if (peer, ask) in self.left_out:
            return None
        return self.running.get((peer, WORKS[ask.work].layered))

    def leave_out(self, peer: Peer, reason: object, ask: Ask | None = None) -> None:
        """Go on without this peer, or without asking it in this way; says why, once."""
        if (peer.name, ask) not in self.left_out:
            self.left_out[peer.name, ask] = str(reason)
            print(f"left out: {self.reason(peer.name, ask)}", file=sys.stderr)

    def reason(self, peer: str, ask: Ask | None) -> str:
        """Why this one is left out, in a line."""
        return f"{peer}{f' ({ask.words})' if ask else ''}: {self.left_out[peer, ask]}"


@contextmanager
def started(peers: Iterable[Peer], asks: Iterable[Ask], cores: Cores) -> Generator[Servers]:
    """Start every server, prove it, and freeze it; end them all with the block."""
    servers = Servers()
    try:
        _start(servers, peers, {WORKS[ask.work].layered for ask in asks}, cores)
        for key, server in list(servers.running.items()):
            try:
                server.await_ready()
            except NotHere as reason:
                servers.running.pop(key).stop()
                if server.peer.name == OURS:
                    raise BenchFault(f"{OURS} cannot be imported: {reason}") from reason
                servers.leave_out(server.peer, f"it cannot be imported ({reason})")
        # Only now: beside those that still start, one may take an idle connection for one that was given up.
        for server in servers.running.values():
            try:
                prove(server)
                _prove_asks(servers, server, asks)
            except (OSError, HTTPException) as error:
                raise BenchFault(f"{server.peer.name} broke off the proof: {error!r}; {server.said()}") from error
            server.freeze()
        if not servers.running:
            raise BenchFault("none of the servers can be had; install the bench environment (bench/locked.txt)")
        yield servers
    finally:
        for server in servers.running.values():
            server.stop()


def _start(servers: Servers, peers: Iterable[Peer], layers: set[bool], cores: Cores) -> None:
    # All at once: they share the core while they start, and none of them is measured yet.
    ports = free_ports()
    for peer in peers:
        if peer.made:
            try:
                servers.versions[peer.name] = make(peer.made)
            except NotHere as reason:
                servers.leave_out(peer, reason)
                continue
        python = ROBYN_PYTHON if peer.made == "robyn" else None
        for layered in sorted(layers):
            servers.running[peer.name, layered] = Running(peer, cores.server, ports, python=python, layered=layered)


def _prove_asks(servers: Servers, server: Running, asks: Iterable[Ask]) -> None:
    for ask in asks:
        work = WORKS[ask.work]
        if ask.pipeline > 1 and work.layered is server.layered:
            try:
                prove_pipelining(server, work, ask.pipeline)
            except NotHere as reason:
                servers.leave_out(server.peer, reason, ask)
