"""Events of many sockets, without sleeping until there are some.

A load that sleeps has to be woken by every answer of a server that is slower than it, and waking a process of another
core costs that server more than many an answer does: five to ten microseconds on a virtual machine. A client on another
machine costs a server nothing of the kind, so what is measured would be the machine and not the server.
"""

from __future__ import annotations

import select
from time import perf_counter


class Poll:
    """What the sockets of a load have to say. `idle` adds up the seconds in which they said nothing.

    With `sleeps` it leaves its core to others meanwhile: for a load that shares it with a part of what is measured.
    """

    def __init__(self, patience_seconds: float, *, sleeps: bool = False) -> None:
        self._sleep_seconds = patience_seconds if sleeps else 0.0
        self._epoll = select.epoll()
        self._poll = self._epoll.poll
        self._patience_seconds = patience_seconds
        self.idle = 0.0

    def register(self, descriptor: int) -> None:
        """Listen to a socket."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def unregister(self, descriptor: int) -> None:
        """Listen to it no longer."""
        self._epoll.unregister(descriptor)

    def close(self) -> None:
        """Listen to none."""
        self._epoll.close()

    def events(self, most: int = -1) -> list[tuple[int, int]]:
        """The next events; none after so many seconds of silence."""
        events = self._poll(0, most)
        if events:
            return events
        started = perf_counter()
        while True:
            events = self._poll(self._sleep_seconds, most)
            now = perf_counter()
            if events or now - started > self._patience_seconds:
                self.idle += now - started
                return events
