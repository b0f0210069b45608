"""Takes over the sockets that systemd opened for us, as sd_listen_fds(3) describes it."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from antiphon.core.errors import SetupError
from antiphon.wire.server.sockets import adopt

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START: the sockets stand on this descriptor and the ones after it."""

NAME = "http"
"""Where sockets have names (FileDescriptorName=), ours are those called so; where none is, all of them are ours."""


def take_activated(environ: MutableMapping[str, str], pid: int | None = None) -> list[socket.socket]:
    """The listening sockets that were passed to this process; an empty list when there are none.

    The variables are taken out of `environ`, so that no child takes the sockets for its own. Raises SetupError for
    variables that cannot be read and for descriptors that are no stream sockets.
    """
    said = {name: environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if said["LISTEN_PID"] != str(os.getpid() if pid is None else pid):
        # None, or meant for a process that has started us without taking them out.
        return []
    if not said["LISTEN_FDS"].isdigit():
        raise SetupError("LISTEN_FDS says how many sockets were passed, and is no number. Unset it and LISTEN_PID.")
    names = said["LISTEN_FDNAMES"].split(":")
    descriptors = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(said["LISTEN_FDS"]))
    chosen = [each for each, name in zip(descriptors, names, strict=False) if name == NAME] or descriptors
    return [adopt(descriptor, "LISTEN_FDS") for descriptor in chosen]
