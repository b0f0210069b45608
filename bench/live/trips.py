"""The work of round trips: 64 sockets, on each of them the next call leaves when the last one is answered."""

from __future__ import annotations

import gc
import socket
import time
from array import array

from bench.http.polling import Poll
from bench.http.running import BenchFault
from bench.live.dialects import CALL_TEXT
from bench.live.proof import opened
from bench.live.running import LiveRunning
from bench.live.sockets import PATIENCE_SECONDS, PING, TEXT, masked, split, unmasked
from bench.live.visits import Meter, spread

SOCKETS = 64
READ_BYTES = 4096


def measure_trips(server: LiveRunning, *, warm_up: float, seconds: float) -> dict[str, float]:
    """`warm_up` seconds unmeasured, then `seconds` measured."""
    dialect = server.peer.dialect
    lines = [opened(server.port, dialect) for _ in range(SOCKETS)]
    try:
        for line in lines:
            line.sock.setblocking(False)
        trips = _Trips([line.sock for line in lines], masked(dialect.call(CALL_TEXT)), dialect.answer(CALL_TEXT))
        trips.run(warm_up)
        trips.latencies = array("d")
        with Meter(server.cpu_seconds, trips.poll) as spent:
            trips.run(seconds)
        count = len(trips.latencies)
        if not count:
            raise BenchFault("nothing was answered in the measured time")
        figures = {"cpu": spent.server / count, "rate": count / spent.seconds}
        return figures | spent.busy() | spread(list(trips.latencies))
    finally:
        for line in lines:
            line.close()


class _Trips:
    def __init__(self, sockets: list[socket.socket], call: bytes, answer: bytes) -> None:
        self.poll = Poll(PATIENCE_SECONDS)
        self._receive = {sock.fileno(): sock.recv for sock in sockets}
        self._send = {sock.fileno(): sock.send for sock in sockets}
        self._call = call
        self._text = answer
        self._answer = unmasked(answer)
        self._parts: dict[int, bytes] = {}
        self._sent_at: dict[int, float] = {}
        self.latencies = array("d")
        for sock in sockets:
            self.poll.register(sock.fileno())
            self._sent_at[sock.fileno()] = time.perf_counter()
            sock.send(call)

    def run(self, seconds: float) -> None:
        """Ask and ask again for so long; what is in flight then stays in flight."""
        # Everything the loop touches is local: an attribute is worth measuring here. Every answer is the same bytes.
        poll, receive, send, sent_at = self.poll.events, self._receive, self._send, self._sent_at
        call, answer, answered, clock = self._call, self._answer, self.latencies.append, time.perf_counter
        heard = clock()
        end = heard + seconds
        gc.disable()
        while heard < end:
            events = poll()
            heard = clock()
            if not events:
                raise BenchFault(f"nothing was answered for {PATIENCE_SECONDS:.0f} s")
            for fd, _ in events:
                data = receive[fd](READ_BYTES)
                if data == answer or self._is_answer(fd, data):
                    answered(heard - sent_at[fd])
                    sent_at[fd] = clock()
                    send[fd](call)
        gc.enable()

    def _is_answer(self, fd: int, data: bytes) -> bool:
        """A read that is not just the answer: a part of it, or a ping with it."""
        if not data:
            raise BenchFault("the server closed a socket under load")
        frames, self._parts[fd] = split(self._parts.get(fd, b"") + data)
        texts = [frame.payload for frame in frames if frame.first == TEXT]
        if any(text != self._text for text in texts) or len(texts) > 1:
            raise BenchFault(f"a call was answered {texts[:2]!r}")
        if any(frame.first not in (TEXT, PING) for frame in frames):
            raise BenchFault(f"a call was answered {frames[:2]!r}")
        return bool(texts)
