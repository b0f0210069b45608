"""What Antiphon has set out to reach, and whether this run shows it; by CPU per request, the steadier measure."""

from __future__ import annotations

from dataclasses import dataclass

from bench.http.peers import ADAPTER, BOLT, GO, MEASURE, OURS, PEERS, PROTOCOL, SAME, UVICORN
from bench.http.report import Results
from bench.http.works import FEW, MANY, WORKS, Ask, WorkName


@dataclass(frozen=True)
class Target:
    """`ours` costs at most `1 / wanted` of what `other` costs at one work, with each of these numbers of headers."""

    other: str
    work: WorkName
    wanted: float
    ours: str = OURS
    headers: tuple[int, ...] = (FEW,)


def _everywhere(other: str, wanted: float, ours: str = OURS, *, headers: tuple[int, ...] = (FEW,)) -> list[Target]:
    return [Target(other, work, wanted, ours, headers) for work in WORKS]


BOTH = (FEW, MANY)

TARGETS: tuple[Target, ...] = (
    *_everywhere(PROTOCOL, 0.88, headers=BOTH),
    Target(BOLT, "get", 1.15, headers=BOTH),
    Target(BOLT, "put", 1.25, headers=BOTH),
    Target(BOLT, "layers", 2.2, headers=BOTH),
    *_everywhere("Starlette", 3.5),
    *_everywhere("Litestar", 6.0),
    *_everywhere(MEASURE, 8.0),
    *_everywhere(GO, 1.0),
    *_everywhere(UVICORN, 0.90, ADAPTER),
    *_everywhere(SAME, 0.90, ADAPTER),
)

AHEAD = [
    peer.name
    for peer in PEERS
    if peer.name not in {PROTOCOL, OURS, UVICORN, SAME, ADAPTER} | {target.other for target in TARGETS}
]
"""Of these nothing more was set out than to be told where Antiphon stands."""


def verdicts(results: Results) -> list[str]:
    """One line a target, at the first numbers of connections; a target whose servers were not measured is left out."""
    asks = results.asks()
    plain = [ask for ask in asks if ask.pipeline == 1 and ask.connections == asks[0].connections]
    lines = [
        _verdict(results, target, ask)
        for target in TARGETS
        for ask in plain
        if ask.work == target.work and ask.headers in target.headers
    ]
    lines += [_standing(results, other, ask) for other in AHEAD for ask in plain if ask.headers == FEW]
    return [line for line in lines if line]


def _verdict(results: Results, target: Target, ask: Ask) -> str:
    ratios = _ratios(results, target.ours, target.other, ask)
    if ratios is None:
        return ""
    word = "reached" if ratios[0] >= target.wanted else "NOT REACHED"
    who = "" if target.ours == OURS else f"{target.ours} "
    wanted = f"wanted: at least {target.wanted:.2f} ×; by requests/s {ratios[1]:.2f} ×"
    return f"- {word}: {_asked(ask)}, {who}{ratios[0]:.2f} × {target.other} ({wanted})"


def _standing(results: Results, other: str, ask: Ask) -> str:
    ratios = _ratios(results, OURS, other, ask)
    if ratios is None:
        return ""
    word = "ahead" if ratios[0] >= 1 else "behind"
    return f"- {word}: {_asked(ask)}, {ratios[0]:.2f} × {other} (by requests/s {ratios[1]:.2f} ×)"


def _asked(ask: Ask) -> str:
    return ask.work + (f" with {ask.headers} headers" if ask.headers != FEW else "")


def _ratios(results: Results, ours: str, other: str, ask: Ask) -> tuple[float, float] | None:
    """How many times as good ours is, by CPU per request and by requests per second."""
    mine, theirs = results.of(ours, ask), results.of(other, ask)
    if mine is None or theirs is None:
        return None
    cpu, rate = theirs.times(mine, lambda visit: visit.load.cpu), mine.times(theirs, lambda visit: visit.load.rate)
    return None if cpu is None or rate is None else (cpu, rate)
