"""The same load by `wrk`, where it is installed: a second opinion on the generator (--generator wrk)."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from bench.http.load import Load
from bench.http.running import BenchFault

SCRIPT = """
local asked = string.rep(%(request)s, %(pipeline)d)
request = function() return asked end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%%d,"micros":%%d,"half":%%d,"most":%%d,"worst":%%d,"faults":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def drive_with_wrk(
    port: int,
    request: bytes,
    *,
    connections: int,
    pipeline: int,
    warm_up: float,
    seconds: float,
    server_cpu: Callable[[], float],
) -> Load:
    """The load of `load.drive`, the same bytes sent by one wrk thread. It takes whole seconds only."""
    if shutil.which("wrk") is None:
        raise BenchFault("--generator wrk needs wrk on the PATH: install your system's package, or leave the flag out")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "work.lua"
        # What JSON escapes, Lua reads in the same way.
        script.write_text(SCRIPT % {"request": json.dumps(request.decode()), "pipeline": pipeline})
        command = ["wrk", "-t1", f"-c{connections}", "-s", str(script)]
        url = f"http://127.0.0.1:{port}/"
        _run([*command, f"-d{max(1, round(warm_up))}s", url])
        server_before, load_before, started = server_cpu(), _children_cpu(), time.perf_counter()
        told = _run([*command, f"-d{max(1, round(seconds))}s", url])
        elapsed = time.perf_counter() - started
        server_after, load_after = server_cpu(), _children_cpu()
    if told["faults"]:
        raise BenchFault(f"wrk counted {told['faults']} faults in {told['requests']} requests")
    return Load(
        requests=told["requests"],
        seconds=elapsed,
        server_cpu=server_after - server_before,
        load_busy=load_after - load_before,
        half_latency=told["half"] / 1e6,
        most_latency=told["most"] / 1e6,
        worst_latency=told["worst"] / 1e6,
    )


def _run(command: list[str]) -> dict[str, int]:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise BenchFault(f"wrk ended with {result.returncode}: {result.stderr.strip() or result.stdout.strip()}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def _children_cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
