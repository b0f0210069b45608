"""Many sockets that watch and say nothing: how fast they open, what each keeps in memory, what its heartbeat costs.

They open as fast as the server lets them, up to a number at once; then each subscribes, as fast again; then they rest,
and answer when they are asked for a sign of life. The memory is that of the server's process, its garbage collected,
before and after, divided by their number; and that of the second half alone, for which nothing is left to use again.
"""

from __future__ import annotations

import resource
import select
import socket
import time

from bench.http.running import BenchFault
from bench.live.dialects import Dialect
from bench.live.running import LiveRunning
from bench.live.sockets import PING, PONG, TEXT, fresh_socket, handshake, masked, split
from bench.live.visits import Meter

AT_ONCE = 128
SOURCES = 8
SPARE_FILES = 200
WARM_SOCKETS = 100
REST_SECONDS = 6.0
PATIENCE_SECONDS = 20.0
READ_BYTES = 16_384


def measure_idle(server: LiveRunning, count: int) -> tuple[dict[str, float], str]:
    """Figures of so many sockets, and why the first failed; on a server that has no earlier memory to use again."""
    allow_files(count)
    extra = server.peer.dialect.headers(server.port, count + WARM_SOCKETS)
    with Idle(server, extra[count:]) as warm:
        warm.open()
        warm.subscribe()
    time.sleep(0.5)
    server.collect()
    empty = server.resident_bytes()
    half = count // 2
    opening, subscribing = Meter(server.cpu_seconds), Meter(server.cpu_seconds)
    with Idle(server, extra[:half]) as first, Idle(server, extra[half:count]) as second:
        _fill(first, opening, subscribing)
        server.collect()
        filled = server.resident_bytes()
        _fill(second, opening, subscribing)
        with Meter(server.cpu_seconds) as resting:
            first.rest(REST_SECONDS / 2)
            second.rest(REST_SECONDS / 2)
        server.collect()
        full = server.resident_bytes()
        opened = first.opened + second.opened
        if not second.opened:
            raise BenchFault(f"{opened} of {count} sockets opened: {first.why or second.why}")
        figures = {
            "opened": opened / opening.seconds,
            "cpu": opening.server / opened,
            "subscribed": opened / subscribing.seconds,
            "failed": first.failed + second.failed,
            "each": (full - empty) / opened,
            "later": (full - filled) / second.opened,
            "whole": full,
            "rest": resting.server / resting.seconds,
            "count": count,
            **opening.busy(),
        }
        return figures, first.why or second.why


def _fill(idle: Idle, opening: Meter, subscribing: Meter) -> None:
    with opening:
        idle.open()
    with subscribing:
        idle.subscribe()
    idle.rest(0.5)


def allow_files(count: int) -> None:
    """Let this process, and those it starts, open so many files. Raises BenchFault where the machine does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchFault(f"{count} sockets need {wanted} files, and `ulimit -Hn` is {hard}: raise it, or --idle fewer")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Idle:
    """So many sockets as there are header lines. They come from several addresses: one has not ports enough."""

    def __init__(self, server: LiveRunning, extra: list[str]) -> None:
        self._port = server.port
        self._dialect: Dialect = server.peer.dialect
        self._extra = extra
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._left: dict[int, bytes] = {}
        self.opened = 0
        self.failed = 0
        self.why = ""

    def __enter__(self) -> Idle:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._poll.close()

    def open(self) -> None:
        """Open them all, up to so many at once; a socket is open when its server has said what it says first."""
        waiting = self._extra[::-1]
        handshaken: dict[int, int] = {}
        while waiting or handshaken:
            while waiting and len(handshaken) < AT_ONCE:
                fd = self._begin(waiting.pop())
                if fd >= 0:
                    handshaken[fd] = -1
            for fd in self._ready():
                if fd in handshaken and self._greeted(fd, handshaken):
                    del handshaken[fd]

    def _begin(self, extra: str) -> int:
        sock = fresh_socket(source=f"127.0.0.{1 + len(self._sockets) % SOURCES}")
        try:
            # On the same machine this does not wait: it ends when the server's kernel has taken it.
            sock.settimeout(PATIENCE_SECONDS)
            sock.connect(("127.0.0.1", self._port))
            sock.setblocking(False)
            sock.send(handshake(self._port, self._dialect.path, extra))
        except OSError as error:
            self._fail(str(error))
            sock.close()
            return -1
        fd = sock.fileno()
        self._sockets[fd], self._left[fd] = sock, b""
        self._poll.register(fd, select.EPOLLIN)
        return fd

    def _greeted(self, fd: int, handshaken: dict[int, int]) -> bool:
        """Read on; whether this socket needs no more of it. The number counts texts, from -1 before the 101."""
        if not self._read(fd):
            return True
        if handshaken[fd] < 0:
            head, end, rest = self._left[fd].partition(b"\r\n\r\n")
            if not end:
                return False
            if not head.startswith(b"HTTP/1.1 101"):
                self._give_up(fd, f"answered {head[:100]!r}")
                return True
            self._left[fd], handshaken[fd] = rest, 0
        for _ in self._texts(fd):
            handshaken[fd] += 1
            answer = self._dialect.answers_greeting()
            if handshaken[fd] == 1 and answer is not None:
                self._sockets[fd].send(masked(answer))
        if handshaken[fd] < self._dialect.greetings:
            return False
        self.opened += 1
        return True

    def subscribe(self) -> None:
        """Have every open socket watch, and hear that it does."""
        frame = masked(self._dialect.subscribe())
        waiting = list(self._sockets)[::-1]
        asked: set[int] = set()
        while waiting or asked:
            while waiting and len(asked) < AT_ONCE:
                fd = waiting.pop()
                if fd in self._sockets:
                    self._sockets[fd].send(frame)
                    asked.add(fd)
            for fd in self._ready():
                if not self._read(fd) or self._texts(fd):
                    asked.discard(fd)

    def rest(self, seconds: float) -> None:
        """Say nothing for so long but that it is alive."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for fd, _ in self._poll.poll(left, 1 + len(self._sockets)):
                if self._read(fd):
                    self._texts(fd)

    def _ready(self) -> list[int]:
        ready = [fd for fd, _ in self._poll.poll(PATIENCE_SECONDS, AT_ONCE)]
        if not ready:
            raise BenchFault(f"no socket got on for {PATIENCE_SECONDS:.0f} s; {self.opened} were open")
        return ready

    def _read(self, fd: int) -> bool:
        try:
            data = self._sockets[fd].recv(READ_BYTES)
        except OSError as error:
            data = b""
            self.why = str(error)
        if data:
            self._left[fd] += data
            return True
        self._give_up(fd, self.why or "closed without a word")
        return False

    def _texts(self, fd: int) -> list[bytes]:
        """The whole texts that have come; who asks whether anybody is there is answered."""
        frames, self._left[fd] = split(self._left[fd])
        texts: list[bytes] = []
        for first, payload in frames:
            if first == PING:
                self._sockets[fd].send(masked(payload, PONG))
            elif first == TEXT and payload == b"2":
                self._sockets[fd].send(masked(b"3"))  # the ping of Engine.IO
            elif first == TEXT:
                texts.append(payload)
        return texts

    def _give_up(self, fd: int, why: str) -> None:
        self._poll.unregister(fd)
        self._sockets.pop(fd).close()
        self._fail(why)

    def _fail(self, why: str) -> None:
        self.failed += 1
        self.why = self.why or why
