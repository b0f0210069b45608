"""Accepts connections on listening sockets, and bears having no descriptors left."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Final, final

_MOST_AT_ONCE: Final = 64
"""Connections accepted before everything else has its turn again."""

_PAUSE_SECONDS: Final = 1.0
"""How long nothing is accepted once the system has nothing left to accept with."""

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

# What Linux says of a connection that broke before it was accepted, or that a firewall forbids (accept(2)).
_BROKEN: Final = frozenset(
    (
        *(errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENOPROTOOPT, errno.EHOSTDOWN),
        *(errno.EOPNOTSUPP, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT),
    )
)

_MAPPED: Final = "::ffff:"
"""What stands before an IPv4 address on an IPv6 socket (RFC 4291 §2.5.5.2)."""

type Address = tuple[object, ...] | str | bytes | None

type Accepted = Callable[[socket.socket, Address], None]
"""What happens with an accepted socket and the address it came from."""


@final
class Acceptor:
    """One listening socket, until it is closed.

    An event loop's own acceptor gives up, or drops connections, when it has no descriptors left. This one waits, leaves
    what comes in the kernel's queue, and says so once.
    """

    __slots__ = ("_accepted", "_exhausted", "_loop", "_pause", "_told", "listening")

    def __init__(self, listening: socket.socket, accepted: Accepted, exhausted: Callable[[OSError], None]) -> None:
        self.listening = listening
        self._accepted = accepted
        self._exhausted = exhausted
        self._told = False
        self._pause: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        listening.setblocking(False)
        self._loop.add_reader(listening.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                connected, address = self.listening.accept()
            except (BlockingIOError, InterruptedError):
                # All that waited were accepted: if descriptors run out again, that is news.
                self._told = False
                return
            except OSError as error:
                if error.errno in _BROKEN:
                    continue
                if error.errno not in _EXHAUSTED:
                    raise
                self._rest(error)
                return
            self._accepted(connected, address)

    def _rest(self, error: OSError) -> None:
        self._loop.remove_reader(self.listening.fileno())
        self._pause = self._loop.call_later(_PAUSE_SECONDS, self._resume)
        if not self._told:
            self._told = True
            self._exhausted(error)

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self.listening.fileno(), self._accept)
        self._accept()

    def close(self) -> None:
        """Accept nothing more, and close the socket."""
        if self.listening.fileno() < 0:
            return
        if self._pause is None:
            # Who is in the queue already has connected, as far as they know; closing would reset them.
            self._accept()
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self.listening.fileno())
        self.listening.close()


def peer_of(address: Address) -> str:
    """The address of a client as text; "" for one on a Unix socket."""
    # A pair or a quadruple for TCP, a path or nothing for a Unix socket.
    text = str(address[0]) if isinstance(address, tuple) and address else ""
    # On a socket that takes both versions, one client must not have two names.
    return text.removeprefix(_MAPPED) if "." in text else text


def household(peer: str) -> str:
    """What counts as one address: an IPv4 address, or all that share the first half of an IPv6 one.

    A line with IPv6 has 2 to the 64 addresses of its own (RFC 6177), and whoever has one may use them all.
    """
    if ":" not in peer:
        return peer
    try:
        return str(ip_network((peer.partition("%")[0], 64), strict=False))
    except ValueError:
        return peer
