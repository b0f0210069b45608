"""How granian is run: one worker process beneath its own main process, one thread, uvloop, no access log."""

from __future__ import annotations

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels


def serve_with(interface: Interfaces, module: str, port: int, *, layered: bool) -> None:
    """Serve the factory `plain` or `layered` of a module."""
    Granian(
        f"{module}:{'layered' if layered else 'plain'}",
        address="127.0.0.1",
        port=port,
        interface=interface,
        workers=1,
        runtime_threads=1,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1024,
        log_level=LogLevels.warning,
        factory=True,
    ).serve()
