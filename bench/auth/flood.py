"""A flood of sign-ins: how many there are in a second, and what it does to the calls of everybody else.

The others ask at a steady pace, so that the flood cannot slow down what it is measured by: each asks when its time has
come, whether or not the last one has been answered, and is timed from then, also when no connection was free. The flood
asks as fast as it is answered.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bench.auth.cases import ALL, CASES
from bench.auth.people import Person
from bench.http.load import connected
from bench.http.running import BenchFault, Running
from bench.live.visits import spread

PACE = 200
"""The calls a second of the others."""

OTHERS = 16
FLOODERS = 32
"""The sign-ins at once: more than there are threads, and few enough for the pool's line."""

PATIENCE_SECONDS = 5.0
READ_BYTES = 65_536
_SIGNED_IN, _REFUSED = b" 201 ", b" 503 "


@dataclass(frozen=True)
class Paced:
    """What the others met, with the flood or without; times in seconds, `signed_in` and `refused` a second."""

    half: float
    worst: float
    signed_in: float
    refused: float
    server_cpu: float


@dataclass(frozen=True)
class Flood:
    """One round: the others by themselves, then beside the flood, and hashing by itself."""

    round: int
    quiet: Paced
    flooded: Paced
    hashes: float

    @property
    def change(self) -> float:
        """How many times as long 99 of 100 calls take beside the flood."""
        return self.flooded.worst / self.quiet.worst

    @property
    def share(self) -> float:
        """The sign-ins as a part of what hashing alone would allow."""
        return self.flooded.signed_in / self.hashes

    def facts(self) -> Mapping[str, object]:
        """This round as plain values."""
        return asdict(self)


def pace(server: Running, person: Person, flood: list[bytes], *, warm_up: float, seconds: float) -> Paced:
    """Ask at the pace of the others, with these sign-ins beside them, each again and again."""
    case = next(case for case in CASES if case.key == ALL)
    paced = _Paced(server.port, person.request(case, server.port), flood)
    try:
        paced.run(warm_up)
        paced.latencies, paced.signed_in, paced.refused = [], 0, 0
        before, began = server.cpu_seconds(), time.perf_counter()
        paced.run(seconds)
        elapsed, after = time.perf_counter() - began, server.cpu_seconds()
        times = spread(paced.latencies)
        each = paced.signed_in / elapsed, paced.refused / elapsed, (after - before) / elapsed
        return Paced(times["half"], times["worst"], *each)
    except BenchFault as fault:
        raise BenchFault(f"{fault}: {server.said()}") from fault
    finally:
        paced.close()


class _Paced:
    def __init__(self, port: int, request: bytes, flood: list[bytes]) -> None:
        self.latencies: list[float] = []
        self.signed_in = self.refused = 0
        self._request = request
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._free = [self._open(port) for _ in range(OTHERS)]
        self._due: dict[int, float] = {}
        self._flood = {self._open(port): sign_in for sign_in in flood}
        for fd, sign_in in self._flood.items():
            self._sockets[fd].send(sign_in)

    def _open(self, port: int) -> int:
        sock = connected(port)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self._sockets[sock.fileno()] = sock
        return sock.fileno()

    def run(self, seconds: float) -> None:
        """Ask for so long; what is in flight then stays in flight."""
        began = due = time.perf_counter()
        while (now := time.perf_counter()) < began + seconds:
            while due <= now and self._free:
                fd = self._free.pop()
                self._due[fd] = due
                self._sockets[fd].send(self._request)
                due += 1 / PACE
            # Whole milliseconds is what epoll can wait, so the last of them is waited for without it.
            events = self._poll.poll(max(0.0, due - now - 0.001) if self._free else PATIENCE_SECONDS)
            if not events and not self._free:
                raise BenchFault(f"the server answered none of {OTHERS} calls for {PATIENCE_SECONDS:.0f} s")
            for fd, _ in events:
                self._heard(fd, self._sockets[fd].recv(READ_BYTES))

    def _heard(self, fd: int, data: bytes) -> None:
        if not data:
            raise BenchFault("the server closed a connection under load")
        if fd in self._due:
            if not data.startswith(b"HTTP/1.1 200"):
                raise BenchFault(f"a call beside the flood was answered {data[:200]!r}")
            self.latencies.append(time.perf_counter() - self._due.pop(fd))
            self._free.insert(0, fd)
            return
        head = data[:16]
        self.signed_in += _SIGNED_IN in head
        self.refused += _REFUSED in head
        if _SIGNED_IN not in head and _REFUSED not in head:
            raise BenchFault(f"a sign-in was answered {data[:300]!r}")
        self._sockets[fd].send(self._flood[fd])

    def close(self) -> None:
        """Hang up."""
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()
