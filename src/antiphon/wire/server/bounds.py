"""The numbers that bound what one connection, and all of them together, may take."""

from __future__ import annotations

from dataclasses import dataclass, field

from antiphon.wire.head import HeadBounds


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a listener bears. Times are in seconds, sizes in bytes; each is told to the client as its row says.

    bound                          what happens over it
    head                           414, 431, and the connection closes
    head_seconds                   408 and close: a head that began and did not end
    idle_seconds                   closed without a word: waiting for a next request
    rate_bytes, rate_after_seconds 408 and close: a body slower than so many bytes a second, after so long
    stall_seconds                  closed: the client took nothing of its answer for so long
    last_seconds                   closed at a drain: a connection that has not asked, or not to the end, for so long
    connections                    503 and close, for so many as `turned_away` says; the rest without a word
    per_address                    closed without a word
    linger_seconds, linger_bytes   closed: what still comes after a refusal is thrown away up to here
    """

    head: HeadBounds = field(default_factory=HeadBounds)
    head_seconds: float = 10.0
    idle_seconds: float = 75.0
    rate_bytes: int = 1024
    rate_after_seconds: float = 5.0
    stall_seconds: float = 60.0
    last_seconds: float = 1.0
    connections: int = 20_000
    turned_away: int = 256
    per_address: int = 200
    linger_seconds: float = 2.0
    linger_bytes: int = 1024 * 1024

    @property
    def sweep_seconds(self) -> float:
        """How often the connections are looked at: once a second, or four times within the shortest bound."""
        shortest = min(self.head_seconds, self.idle_seconds, self.rate_after_seconds, self.stall_seconds)
        return min(1.0, max(0.01, shortest / 4))
