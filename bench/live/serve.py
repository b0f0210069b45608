"""The child process of the bench: serves one peer's sockets on one core (python -m bench.live.serve).

SIGUSR1 lets Python collect its garbage, so that what a socket keeps can be told from what its opening has left.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import socket
import sys
from importlib import import_module

from bench.http.serve import MISSING, end_with_parent


def main() -> int:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description="Serve one peer; started by bench.live, not by hand.")
    parser.add_argument("module")
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--fd", type=int)
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    end_with_parent()
    os.sched_setaffinity(0, {options.core})
    signal.signal(signal.SIGUSR1, lambda _number, _frame: void(gc.collect()))
    try:
        server = import_module(f"bench.live.servers.{options.module}")
    except ImportError as error:
        print(str(error).split(" (")[0], file=sys.stderr)  # without the path that follows
        return MISSING
    if options.fd is None:
        server.serve_on(options.port)
    else:
        server.serve(socket.socket(fileno=options.fd))
    return 0


def void(_value: object) -> None:
    """What a signal gives back is of no interest."""


if __name__ == "__main__":
    sys.exit(main())
