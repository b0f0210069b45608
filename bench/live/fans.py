"""One publisher to many watchers: the next event leaves when everybody who reads has been shown the last one."""

from __future__ import annotations

import gc
import socket
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median

from bench.http.polling import Poll
from bench.http.running import BenchFault
from bench.live.dialects import MARK, event_text
from bench.live.proof import opened
from bench.live.running import LiveRunning
from bench.live.sockets import Line, masked
from bench.live.visits import Meter, spread

WATCHERS = 1000
READ_BYTES = 65_536
PATIENCE_SECONDS = 4.0
"""Who is shown nothing for so long, waits for somebody else."""


class StoodStill(Exception):
    """Watchers that read were not shown an event in time."""


def measure_fan(server: LiveRunning, *, warm_up: float, seconds: float) -> dict[str, float]:
    """`warm_up` seconds unmeasured, then `seconds` measured."""
    with Fan(server, large=False) as fan:
        fan.run_for(warm_up)
        return fan.measure(server, seconds)


class Fan:
    """Watchers and a publisher, connected. Of the watchers, those in `stalled` have small buffers."""

    def __init__(self, server: LiveRunning, *, large: bool, stalled: int = 0) -> None:
        self._dialect = server.peer.dialect
        self._text = event_text(large)
        self._lines: list[Line] = []
        self._poll = Poll(PATIENCE_SECONDS)
        self._receive: dict[int, Callable[[int], bytes]] = {}
        self.stalled: list[socket.socket] = []
        self.published = 0
        self.latencies = array("d")
        self.events = array("d")
        try:
            self._connect(server.port, stalled)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Fan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every socket."""
        for line in self._lines:
            line.close()
        self._poll.close()

    def _connect(self, port: int, stalled: int) -> None:
        for number in range(WATCHERS):
            # Spread among the others, so that they stand in nobody's way by their place alone.
            slow = stalled > 0 and number % (WATCHERS // stalled) == WATCHERS // stalled // 2
            line = opened(port, self._dialect, small=slow)
            self._lines.append(line)
            line.say(self._dialect.subscribe())
            line.hear()
            if slow:
                self.stalled.append(line.sock)
        publisher = opened(port, self._dialect)
        self._lines.append(publisher)
        self._publisher = publisher.sock
        for line in self._lines:
            line.sock.setblocking(False)
            self._receive[line.sock.fileno()] = line.sock.recv
            self._poll.register(line.sock.fileno())

    @property
    def readers(self) -> int:
        """How many watchers read."""
        return len(self._receive) - 1

    def stall(self) -> None:
        """From now on the stalled read nothing."""
        for sock in self.stalled:
            self._poll.unregister(sock.fileno())
            del self._receive[sock.fileno()]

    def run_for(self, seconds: float) -> None:
        """Publish again and again."""
        end = time.perf_counter() + seconds
        self._run(lambda: time.perf_counter() >= end)

    def run_until(self, is_over: Callable[[], bool]) -> None:
        """Publish again and again; asks before each event."""
        self._run(is_over)

    def measure(
        self, server: LiveRunning, seconds: float, is_over: Callable[[], bool] | None = None
    ) -> dict[str, float]:
        """What so many seconds, or the time until `is_over`, cost. `cpu` and `rate` are of one delivery.

        `half` and `worst` are of all deliveries; `event` is the time in which an ordinary event (the median) has
        reached 99 % of its watchers, which a moment that the machine gave to others does not move.
        """
        self.latencies, self.events = array("d"), array("d")
        with Meter(server.cpu_seconds, self._poll) as spent:
            if is_over is None:
                self.run_for(seconds)
            else:
                self.run_until(is_over)
        count = len(self.latencies)
        figures = {"cpu": spent.server / count, "rate": count / spent.seconds}
        return figures | spent.busy() | spread(list(self.latencies)) | {"event": median(self.events)}

    def _run(self, is_over: Callable[[], bool]) -> None:
        gc.disable()
        try:
            while not is_over():
                self._publish()
        finally:
            gc.enable()

    def _publish(self) -> None:
        poll, receive, shown, clock = self._poll.events, self._receive, self.latencies.append, time.perf_counter
        publisher = self._publisher.fileno()
        left = self.readers
        few = left // 100
        frame = masked(self._dialect.publish(self.published, self._text))
        self.published += 1
        sent_at = clock()
        self._publisher.send(frame)
        while left > 0:
            events = poll(WATCHERS + 1)
            if not events:
                raise StoodStill
            waited = clock() - sent_at
            for fd, _ in events:
                data = receive[fd](READ_BYTES)
                if not data:
                    raise BenchFault("the server closed the socket of a watcher that reads")
                if fd != publisher and data.count(MARK):
                    left -= 1
                    shown(waited)
                    if left == few:
                        self.events.append(waited)


def fates(stalled: Sequence[socket.socket], published: int, *, within: float) -> dict[str, int]:
    """What had become of those that read nothing, found out by reading on: so many of each."""
    found: dict[str, int] = {}
    for sock in stalled:
        fate = _fate(sock, published, within)
        found[fate] = found.get(fate, 0) + 1
    return found


def _fate(sock: socket.socket, published: int, within: float) -> str:
    sock.settimeout(0.5)
    shown, tail = 0, b""
    end = time.monotonic() + within
    with suppress(TimeoutError):
        while shown < published and time.monotonic() < end:
            try:
                data = sock.recv(READ_BYTES)
            except ConnectionError:
                return "cut off"
            if not data:
                code = _close_code(tail)
                return f"closed with {code}" if code else "cut off"
            shown += data.count(MARK)
            tail = (tail + data)[-128:]
        return "still there, shown everything" if shown >= published else "still there, reading on"
    code = _close_code(tail)
    return f"closed with {code}" if code else "still there, not shown everything"


def _close_code(tail: bytes) -> int:
    """The code of a close frame at the end of what came; 0 without one."""
    at = tail.rfind(b"\x88")
    if at < 0 or len(tail) < at + 2 or tail[at + 1] != len(tail) - at - 2:
        return 0
    return int.from_bytes(tail[at + 2 : at + 4]) or 1005
