"""The load generator: one epoll loop over keep-alive connections; as fast as wrk here, and nothing to install.

It keeps one request in flight on each connection, or a batch of them when they are pipelined: the next batch leaves
when the last answer to this one is there. Answers are not parsed: the proof has shown that every good answer ends with
the one `}` in it, so those ends count answers, and counted status lines show that all of them were good.
"""

from __future__ import annotations

import gc
import socket
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass

from bench.http.polling import Poll
from bench.http.proof import ANSWER_END
from bench.http.running import BenchFault

GOOD = b"HTTP/1.1 200"
READ_BYTES = 4096
BATCH_BYTES = 65536
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Load:
    """One measurement. Times in seconds: `server_cpu` is CPU of the server, `load_busy` what the load had work for.

    Of the latencies half, nine in ten and 99 in 100 were shorter; that of a pipelined request is that of its batch.
    """

    requests: int
    seconds: float
    server_cpu: float
    load_busy: float
    half_latency: float
    most_latency: float
    worst_latency: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def cpu(self) -> float:
        """Microseconds of server CPU per request."""
        return self.server_cpu / self.requests * 1e6


def drive(
    port: int,
    request: bytes,
    *,
    connections: int,
    pipeline: int,
    warm_up: float,
    seconds: float,
    server_cpu: Callable[[], float],
    sleeps: bool = False,
) -> Load:
    """Keep `pipeline` requests in flight on each connection: `warm_up` seconds unmeasured, then `seconds` measured."""
    sockets = [connected(port) for _ in range(connections)]
    try:
        poll = Poll(PATIENCE_SECONDS, sleeps=sleeps)
        for sock in sockets:
            poll.register(sock.fileno())
        kind = _Loop if pipeline == 1 else _Batches
        loop = kind(poll, {sock.fileno(): sock for sock in sockets}, request * pipeline, pipeline)
        loop.run(warm_up)
        return loop.measure(seconds, server_cpu)
    finally:
        for sock in sockets:
            sock.close()


class _Loop:
    def __init__(self, poll: Poll, sockets: dict[int, socket.socket], request: bytes, pipeline: int) -> None:
        self._poll = poll
        self._pipeline = pipeline
        self._receive = {fd: sock.recv for fd, sock in sockets.items()}
        self._send = {fd: sock.send for fd, sock in sockets.items()}
        self._request = request
        self.latencies = array("d")
        self.good = 0
        self._missing = dict.fromkeys(sockets, pipeline)
        self._sent_at: dict[int, float] = {}
        for fd, send in self._send.items():
            self._sent_at[fd] = time.perf_counter()
            send(request)

    def measure(self, seconds: float, server_cpu: Callable[[], float]) -> Load:
        """Run, and say what it cost."""
        self.latencies = array("d")
        self.good = 0
        started, idle_before, server_before = time.perf_counter(), self._poll.idle, server_cpu()
        self.run(seconds)
        server_after, idle_after, ended = server_cpu(), self._poll.idle, time.perf_counter()
        answers = len(self.latencies)
        if answers == 0:
            raise BenchFault("the server answered nothing in the measured time")
        requests = answers * self._pipeline
        # A status line can have been read just before the measured time, its body in it; and the reverse at the end.
        if abs(self.good - requests) > len(self._send) * self._pipeline:
            raise BenchFault(f"of {requests} answers under load only {self.good} had the status 200")
        latencies = sorted(self.latencies)
        return Load(
            requests=requests,
            seconds=ended - started,
            server_cpu=server_after - server_before,
            load_busy=ended - started - (idle_after - idle_before),
            half_latency=latencies[answers // 2],
            most_latency=latencies[answers * 9 // 10],
            worst_latency=latencies[answers * 99 // 100],
        )

    def run(self, seconds: float) -> None:
        """Ask and ask again for so long; what is in flight then stays in flight."""
        # Everything the loop touches is local: at 150,000 requests a second an attribute is worth measuring.
        poll, receive, send, sent_at = self._poll.events, self._receive, self._send, self._sent_at
        request, answered, clock = self._request, self.latencies.append, time.perf_counter
        good = 0
        heard = clock()
        end = heard + seconds
        gc.disable()
        while heard < end:
            events = poll()
            heard = clock()
            if not events:
                raise BenchFault(f"the server answered nothing for {PATIENCE_SECONDS:.0f} s")
            for fd, _ in events:
                data = receive[fd](READ_BYTES)
                good += data.count(GOOD)
                if data.endswith(ANSWER_END):
                    answered(heard - sent_at[fd])
                    sent_at[fd] = clock()
                    send[fd](request)
                elif not data:
                    raise BenchFault("the server closed a connection under load")
        gc.enable()
        self.good += good


class _Batches(_Loop):
    def run(self, seconds: float) -> None:
        """The same, with several requests in flight on each connection."""
        poll, receive, send, sent_at = self._poll.events, self._receive, self._send, self._sent_at
        request, answered, clock, pipeline = self._request, self.latencies.append, time.perf_counter, self._pipeline
        missing = self._missing
        good = 0
        heard = clock()
        end = heard + seconds
        gc.disable()
        while heard < end:
            events = poll()
            heard = clock()
            if not events:
                raise BenchFault(f"the server answered nothing for {PATIENCE_SECONDS:.0f} s")
            for fd, _ in events:
                data = receive[fd](BATCH_BYTES)
                if not data:
                    raise BenchFault("the server closed a connection under load")
                good += data.count(GOOD)
                left = missing[fd] - data.count(ANSWER_END)
                if left:
                    missing[fd] = left
                else:
                    answered(heard - sent_at[fd])
                    missing[fd] = pipeline
                    sent_at[fd] = clock()
                    send[fd](request)
        gc.enable()
        self.good += good


def connected(port: int) -> socket.socket:
    """A connection to a server here that never waits."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock
