"""The listening sockets of an HTTP server, as its settings say: a port, a Unix socket, or what was handed to us."""

# Which it is, the first that is there:
#
#   a member of a crew          the sockets of its place, opened by the process that started it
#   http.fd                     a socket on that descriptor
#   LISTEN_FDS                  the sockets that systemd opened
#   http.unix                   a Unix socket
#   http.host and http.port     TCP

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable, MutableMapping, Sequence

from antiphon.transports.http.settings import HttpSettings
from antiphon.wire.server.activation import take_activated
from antiphon.wire.server.sockets import adopt, close_all, listen_tcp
from antiphon.wire.server.tls import server_context
from antiphon.wire.server.unix_socket import UnixSocket


class Doors:
    """Sockets that listen, as a list for each process that is going to accept on them. Lists may share sockets."""

    def __init__(self, copies: Sequence[Sequence[socket.socket]], unix: UnixSocket | None = None) -> None:
        self.copies = copies
        self._unix = unix

    @classmethod
    def open(cls, settings: HttpSettings, *, copies: int = 1, environ: MutableMapping[str, str] = os.environ) -> Doors:
        """Open or take over what the settings say. Raises SetupError with what to do instead."""
        # Taken out of the environment in any case: whatever is started later must not take them for its own.
        activated = take_activated(environ)
        if settings.fd is not None:
            return cls([[adopt(settings.fd, "http.fd")]] * copies)
        if activated:
            return cls([activated] * copies)
        if settings.unix is not None:
            unix = UnixSocket(settings.unix, int(settings.unix_mode, 8))
            return cls([[unix.socket]] * copies, unix)
        return cls(listen_tcp(settings.host, settings.port, copies=copies))

    @classmethod
    def handed_on(cls, descriptors: Iterable[int]) -> Doors:
        """The sockets of one place in a crew, inherited."""
        return cls([[adopt(descriptor, "the crew") for descriptor in descriptors]])

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """Those of this process, when it is the only one."""
        return self.copies[0]

    @property
    def descriptors(self) -> list[list[int]]:
        """What each process is to inherit."""
        return [[each.fileno() for each in sockets] for sockets in self.copies]

    @property
    def port(self) -> int:
        """The TCP port; 0 when there is none."""
        return next((each.getsockname()[1] for each in self.sockets if each.family != socket.AF_UNIX), 0)

    @property
    def places(self) -> list[str]:
        """Where it listens, for a log: `127.0.0.1:8080`, `[::1]:8080`, `/run/app.sock`."""
        return [_place(each) for each in self.sockets]

    def leave(self) -> None:
        """Close the sockets here; processes that inherited them accept on, and the file of a Unix socket stays."""
        close_all([each for sockets in self.copies for each in sockets])

    def close(self) -> None:
        """Close the sockets, and remove the file of a Unix socket that is ours."""
        self.leave()
        if self._unix is not None:
            self._unix.close()


def tls_of(settings: HttpSettings) -> ssl.SSLContext | None:
    """The TLS context of the settings, or None where they name no certificate. Raises SetupError."""
    if settings.tls_certificate is None:
        return None
    return server_context(settings.tls_certificate, settings.tls_key)


def _place(listening: socket.socket) -> str:
    address = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return str(address)
    host = f"[{address[0]}]" if listening.family == socket.AF_INET6 else address[0]
    return f"{host}:{address[1]}"
