"""A client's end of a socket, by hand: the handshake, masked frames out, frames in; as little as the load needs."""

from __future__ import annotations

import socket
import time
from typing import NamedTuple

from bench.http.running import BenchFault

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A
KEY = b"\x13\x57\x9b\xdf"
"""One mask for all frames: what it hides them from does not stand between here and the same machine."""

PATIENCE_SECONDS = 5.0
MOST_HEAD_BYTES = 16_384
SMALL_BUFFER_BYTES, SMALL_SEGMENT_BYTES = 4096, 536
IP_BIND_ADDRESS_NO_PORT = 24


class Frame(NamedTuple):
    """A frame of a server; `first` is its first byte."""

    first: int
    payload: bytes


def masked(payload: bytes, first: int = TEXT) -> bytes:
    """A whole frame as a client sends it."""
    size = len(payload)
    head = bytes((first, 0x80 | size)) if size < 126 else bytes((first, 0xFE)) + size.to_bytes(2)
    hidden = int.from_bytes(payload) ^ int.from_bytes((KEY * (size // 4 + 1))[:size])
    return head + KEY + hidden.to_bytes(size)


def unmasked(payload: bytes) -> bytes:
    """A whole text as a server sends it."""
    size = len(payload)
    return (bytes((TEXT, size)) if size < 126 else bytes((TEXT, 126)) + size.to_bytes(2)) + payload


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames at the beginning of what came from a server, and what is left."""
    frames: list[Frame] = []
    at = 0
    while len(data) - at >= 2:
        size, start = data[at + 1], at + 2
        if size >= 126:
            digits = 2 if size == 126 else 8
            size, start = int.from_bytes(data[start : start + digits]), start + digits
        if len(data) < start + size:
            break
        frames.append(Frame(data[at], data[start : start + size]))
        at = start + size
    return frames, data[at:]


def handshake(port: int, path: str, extra: str = "") -> bytes:
    """What asks for a socket; `extra` are further header lines. No extension is offered, so none is agreed on."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n"
    ).encode()


def fresh_socket(*, small: bool = False, source: str = "") -> socket.socket:
    """A TCP socket, not connected.

    A `small` one takes little that it does not read, and has the server hold little for it in its kernel: short
    segments keep the window small to which that buffer grows. `source` is the address it comes from.
    """
    sock = socket.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if small:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT_BYTES)
    if source:
        # The port is chosen when it connects, so that each address has all of them.
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((source, 0))
    return sock


class Line:
    """One open socket, read in the slow and simple way: for the proof, and before a load begins."""

    def __init__(self, port: int, path: str, *, extra: str = "", small: bool = False) -> None:
        self.sock = fresh_socket(small=small)
        self._left = b""
        try:
            self.sock.settimeout(PATIENCE_SECONDS)
            self.sock.connect(("127.0.0.1", port))
            self.sock.sendall(handshake(port, path, extra))
            head = self._head()
            if not head.startswith(b"HTTP/1.1 101"):
                raise BenchFault(f"a handshake was answered {head[:200]!r}")
        except BaseException:
            self.sock.close()
            raise

    def _head(self) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.sock.recv(4096)
            if not piece or len(received) > MOST_HEAD_BYTES:
                raise BenchFault(f"a handshake was answered {received[:200]!r}")
            received += piece
        head, _, self._left = received.partition(b"\r\n\r\n")
        return head

    def say(self, text: bytes) -> None:
        """Send one text."""
        self.sock.sendall(masked(text))

    def hear(self) -> bytes:
        """The next text. Pings are answered; BenchFault when it is closed, or nothing comes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            frames, _ = split(self._left)
            if not frames:
                piece = self.sock.recv(65_536)
                if not piece:
                    raise BenchFault("the server closed a socket without a word")
                self._left += piece
                continue
            first, payload = frames[0]
            self._left = self._left[len(payload) + (2 if len(payload) < 126 else 4) :]
            if first == TEXT:
                return payload
            if first == PING:
                self.sock.sendall(masked(payload, PONG))
            elif first == CLOSE:
                raise BenchFault(f"the server closed a socket with {int.from_bytes(payload[:2])}")
        raise BenchFault(f"no text came within {PATIENCE_SECONDS:.0f} s")

    def close(self) -> None:
        """End it with the frame that says so."""
        try:
            self.sock.sendall(masked(b"\x03\xe8", CLOSE))
        except OSError:
            pass  # it was closed from the other side
        finally:
            self.sock.close()
