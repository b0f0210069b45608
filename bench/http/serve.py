"""The child process of the bench: serves one peer on one core (python -m bench.http.serve).

It inherits a socket that listens (`--fd`), or is told a port to bind (`--port`). Standard library only: it is run by
the environments of peers as well.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import sys
from importlib import import_module

MISSING = 3
"""Exit status when the server cannot be imported: the run goes on without it."""

PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Let the kernel end this process with its parent: a frozen child would outlive a killed parent for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="Serve one peer; started by bench.http, not by hand.")
    parser.add_argument("module")
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--fd", type=int)
    parser.add_argument("--port", type=int)
    parser.add_argument("--layered", action="store_true")
    options = parser.parse_args()
    end_with_parent()
    os.sched_setaffinity(0, {options.core})
    try:
        server = import_module(f"bench.http.servers.{options.module}")
    except ImportError as error:
        print(str(error).split(" (")[0], file=sys.stderr)  # without the path that follows
        return MISSING
    if options.fd is None:
        server.serve_on(options.port, layered=options.layered)
    else:
        server.serve(socket.socket(fileno=options.fd), layered=options.layered)
    return 0


if __name__ == "__main__":
    sys.exit(main())
