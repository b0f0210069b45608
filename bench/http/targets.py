"""What Antiphon has set out to reach, and whether this run shows it; by CPU per request, the steadier measure."""

from __future__ import annotations

from bench.http.peers import CEILING, MEASURE, OURS, PEERS
from bench.http.report import Results
from bench.http.works import WorkName

FRAMEWORKS = [peer.name for peer in PEERS if peer.name not in (CEILING, OURS, MEASURE)]


def verdicts(results: Results, connections: int) -> list[str]:
    """One line a target; a target whose servers were not measured is left out."""
    lines = [
        _verdict(results, "get", connections, CEILING, 0.85),
        _verdict(results, "get", connections, MEASURE, 3.0),
        _verdict(results, "put", connections, MEASURE, 3.0),
        *(_verdict(results, "put", connections, name, 1.0) for name in FRAMEWORKS),
    ]
    return [line for line in lines if line]


def _verdict(results: Results, work: WorkName, connections: int, other: str, wanted: float) -> str:
    ours, theirs = results.of(OURS, work, connections), results.of(other, work, connections)
    if ours is None or theirs is None:
        return ""
    reached = theirs.times(ours, lambda visit: visit.cpu)
    if reached is None:
        return ""
    word = "reached" if reached >= wanted else "NOT REACHED"
    return f"- {word}: {work}, {reached:.2f} × {other} (wanted: at least {wanted:.2f} ×)"
