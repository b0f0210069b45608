"""How each server is spoken to: the texts of one work, in the words it understands."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from typing import Final

from bench.http.running import BenchFault
from bench.live.sockets import Line

MARK: Final = b"!"
"""Stands once in every event, in the last of its texts, and nowhere else: how deliveries are counted."""

CALL_TEXT: Final = "What does a lamp say to the night it was lit for?"
EVENT_TEXT: Final = "A small brass lamp is lit, and everybody who watches sees it"
LARGE_BYTES: Final = 4096
FIRST: Final = 1_000_000
USER_SOCKETS: Final = 20
PIPELINED: Final = 50
COOKIE: Final = re.compile(rb"set-cookie: ([^;\r]+)", re.IGNORECASE)


def event_text(large: bool) -> str:
    """What is published: a short word, or so much that whoever does not read is soon behind."""
    text = EVENT_TEXT * (LARGE_BYTES // len(EVENT_TEXT)) if large else EVENT_TEXT
    return text + MARK.decode()


@dataclass(frozen=True)
class Dialect:
    """Plain JSON frames, as a server without frames of its own is written."""

    path: str = "/ws"
    topic: str = "room"

    def greet(self, line: Line) -> None:
        """What is said and heard before anything else."""

    @property
    def greetings(self) -> int:
        """How many texts a client hears before it says anything but what `answers_greeting` gives."""
        return 0

    def answers_greeting(self) -> bytes | None:
        """What a client says to the first of them."""
        return None

    def headers(self, port: int, count: int) -> list[str]:
        """Header lines for each of so many handshakes; empty where they need none."""
        return [""] * count

    def call(self, text: str) -> bytes:
        """Ask for echo:say."""
        return _json({"id": 1, "action": "echo:say", "params": {"text": text}})

    def answer(self, text: str) -> bytes:
        """What answers that."""
        return _json({"id": 1, "result": {"text": text}})

    def subscribe(self) -> bytes:
        """Watch."""
        return _json({"id": 2, "subscribe": self.topic})

    def publish(self, number: int, text: str) -> bytes:
        """Show something to whoever watches."""
        # Under ids of their own: watchers may be shown an event before its call is answered.
        params = {"text": text, "n": FIRST + number}
        return _json({"id": FIRST + number, "action": f"{self.topic}:say", "params": params})

    def is_event(self, frame: bytes, number: int, text: str) -> bool:
        """Whether this is what watchers are shown."""
        said = json.loads(frame)
        return said.get("event") == "Said" and said.get("data") == {"text": text, "n": FIRST + number}


@dataclass(frozen=True)
class Echoed(Dialect):
    """The bytes that were sent come back."""

    def answer(self, text: str) -> bytes:
        """The call itself."""
        return self.call(text)


@dataclass(frozen=True)
class Antiphon(Dialect):
    """Antiphon's own frames, which begin with a hello."""

    def greet(self, line: Line) -> None:
        """Hear the hello."""
        line.hear()

    @property
    def greetings(self) -> int:
        """The hello."""
        return 1

    def headers(self, port: int, count: int) -> list[str]:
        """A session each, of so many users that none has more sockets than one may."""
        with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
            return [
                header
                for first in range(0, count, PIPELINED)
                for header in _signed_in(asking, range(first, min(count, first + PIPELINED)))
            ]


@dataclass(frozen=True)
class SocketIo(Dialect):
    """Engine.IO 4 and Socket.IO 5: numbers say what a text is, and calls are events that are acknowledged."""

    path: str = "/socket.io/?EIO=4&transport=websocket"

    def greet(self, line: Line) -> None:
        """Hear the open packet, connect to the namespace, hear that it is so."""
        line.hear()
        line.say(b"40")
        line.hear()

    @property
    def greetings(self) -> int:
        """The open packet and the one that confirms the namespace."""
        return 2

    def answers_greeting(self) -> bytes | None:
        """To the namespace."""
        return b"40"

    def call(self, text: str) -> bytes:
        """An event with the acknowledgement 1."""
        return b"421" + _json(["echo:say", {"text": text}])

    def answer(self, text: str) -> bytes:
        """That acknowledgement."""
        return b"431" + _json([{"text": text}])

    def subscribe(self) -> bytes:
        """Enter the room."""
        return b"422" + b'["watch",{}]'

    def publish(self, number: int, text: str) -> bytes:
        """Tell the room."""
        return b"423" + _json(["room:say", {"text": text, "n": FIRST + number}])

    def is_event(self, frame: bytes, number: int, text: str) -> bool:
        """Whether this is the event."""
        return frame == b"42" + _json(["Said", {"text": text, "n": FIRST + number}])


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _signed_in(asking: socket.socket, numbers: range) -> list[str]:
    """A session for each of these, asked for all at once: nobody waits for ten thousand answers one after another."""
    for number in numbers:
        body = _json({"user": f"user-{number // USER_SOCKETS}"})
        head = "PUT /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        asking.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    received = b""
    while received.count(b"HTTP/1.1 ") < len(numbers) or not received.endswith(b"\r\n\r\n"):
        piece = asking.recv(65_536)
        if not piece:
            break
        received += piece
    cookies = COOKIE.findall(received)
    if len(cookies) != len(numbers):
        raise BenchFault(f"{len(cookies)} of {len(numbers)} sessions were given: {received[:200]!r}")
    return [f"Cookie: {cookie.decode()}\r\n" for cookie in cookies]
