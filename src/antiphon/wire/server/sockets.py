"""Opens listening TCP sockets: on every address of a host name, and once for each process that accepts on them."""

# Several processes on one port. Whoever opens the sockets keeps them, and hands each process a copy of its own:
#
#   Linux      as many sockets as processes, all on one port with SO_REUSEPORT; the kernel spreads connections evenly
#   elsewhere  one socket that all processes share (SO_REUSEPORT is there, and gives every connection to the last one)
#
# The processes do not bind by themselves, although SO_REUSEPORT would let them: with a socket goes what waits in its
# queue, so a process that dies or is replaced would reset connections that it had not accepted yet. A socket that is
# also held here outlives its process, and the next one finds the queue as it was.
#
# SO_REUSEPORT also lets a second server of the same user bind in silence. The first socket is therefore bound and
# listens without it, which fails when anybody else is there, and shares its port only afterwards.

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from typing import Any

from antiphon.core.errors import SetupError

BACKLOG = 2048
"""Connections the kernel holds until they are accepted."""

_TRIES = 16
_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_ADVICE = {
    errno.EADDRINUSE: "Stop what listens there, or choose another port with PORT.",
    errno.EACCES: "Choose a port from 1024 on with PORT, or let systemd open this one (LISTEN_FDS).",
    errno.EADDRNOTAVAIL: "This machine has no such address: choose one it has with HTTP_HOST, or 0.0.0.0 for all.",
}

type Sockets = list[socket.socket]


def listen_tcp(host: str, port: int, *, copies: int = 1) -> list[Sockets]:
    """Listen on every address of `host`, with the same port on each: one list of sockets for each of `copies`.

    Port 0 takes a free one. An empty host is every address. Lists share a socket where the system cannot spread
    connections. Raises SetupError, saying what to do, when the port is taken or the address is not ours.
    """
    try:
        addresses = _addresses(host, port)
        for _ in range(_TRIES - 1):
            try:
                return _copied(_listen_on(addresses, port), copies)
            except OSError as error:
                # A free port of one address may be taken on the next: the system chooses another one.
                if port or error.errno != errno.EADDRINUSE:
                    raise
        return _copied(_listen_on(addresses, port), copies)
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "Choose another address with HTTP_HOST.")
        raise SetupError(f"Cannot listen on {host} port {port}: {error.strerror}. {advice}") from error


def adopt(descriptor: int, setting: str) -> socket.socket:
    """A socket that was opened by whoever started us; `setting` names where its descriptor comes from.

    Raises SetupError when the descriptor is not open or no stream socket.
    """
    try:
        adopted = socket.socket(fileno=descriptor)
    except OSError as error:
        raise SetupError(
            f"{setting}: descriptor {descriptor} is no open socket ({error.strerror}). "
            f"Pass a listening socket on it, or leave {setting} unset."
        ) from error
    try:
        if adopted.type != socket.SOCK_STREAM:
            raise SetupError(f"{setting}: descriptor {descriptor} is no stream socket. HTTP needs one.")
        if not adopted.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            adopted.listen(BACKLOG)
    except OSError as error:
        adopted.detach()
        raise SetupError(f"{setting}: descriptor {descriptor} cannot listen: {error.strerror}.") from error
    except SetupError:
        adopted.detach()
        raise
    adopted.set_inheritable(False)
    adopted.setblocking(False)
    return adopted


def close_all(sockets: Sequence[socket.socket]) -> None:
    """Close these sockets; a shared one once."""
    for each in dict.fromkeys(sockets):
        each.close()


type _Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def _addresses(host: str, port: int) -> list[_Address]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, tuple(address)) for family, _, _, _, address in found))


def _listen_on(addresses: list[_Address], port: int) -> Sockets:
    """One socket for each address that this machine has."""
    opened: Sockets = []
    absent: OSError | None = None
    several = len(addresses) > 1
    try:
        for family, address in addresses:
            try:
                listening = _listen(family, (address[0], port, *address[2:]), alone=several)
            except OSError as error:
                # A name may have an address that the machine has not, such as ::1 where there is no IPv6.
                if error.errno not in _ABSENT or not several:
                    raise
                absent = error
                continue
            opened.append(listening)
            port = listening.getsockname()[1]
        if absent is not None and not opened:
            raise absent
    except BaseException:
        close_all(opened)
        raise
    return opened


def _listen(
    family: socket.AddressFamily, address: tuple[Any, ...], *, alone: bool, shares: bool = False
) -> socket.socket:
    """Bind and listen. An IPv6 socket that does not stand `alone` takes IPv4 as well, where its address allows it."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # What still closes on this port from an earlier run must not keep us from it; whoever listens does.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, alone)
        listening.bind(address)
        # Already here: two that bind in the same moment find out only when they listen.
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _copied(first: Sockets, copies: int) -> list[Sockets]:
    lists: list[Sockets] = [first]
    if copies > 1 and sys.platform == "linux":
        for each in first:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        lists += [_beside(first) for _ in range(copies - 1)]
    else:
        lists += [first] * (copies - 1)
    return lists


def _beside(first: Sockets) -> Sockets:
    """Further sockets on the addresses of these."""
    alone = len(first) > 1
    return [_listen(each.family, each.getsockname(), alone=alone, shares=True) for each in first]
