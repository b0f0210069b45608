"""From visits to tables: medians over the rounds, and ratios taken within each round before their median is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.http.peers import CEILING, MEASURE, OURS
from bench.http.rounds import Visit
from bench.http.works import WORKS, WorkName

LOAD_BOUND = 0.9
SERVER_BUSY = 0.97


@dataclass(frozen=True)
class Summary:
    """Every visit to one server at one work with one number of connections."""

    peer: str
    work: WorkName
    connections: int
    visits: list[Visit]

    def median(self, of: Callable[[Visit], float]) -> float:
        """The median over the rounds."""
        return median(of(visit) for visit in self.visits)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.median(lambda visit: visit.rate)

    @property
    def cpu(self) -> float:
        """Microseconds of server CPU per request."""
        return self.median(lambda visit: visit.cpu)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart: half of the range of CPU per request, as a part of the median."""
        each = [visit.cpu for visit in self.visits]
        return (max(each) - min(each)) / 2 / self.cpu

    def times(self, other: Summary | None, of: Callable[[Visit], float]) -> float | None:
        """The median, over the rounds, of how many times the other's figure this one's is."""
        if other is None:
            return None
        theirs = {visit.round: of(visit) for visit in other.visits}
        ratios = [of(visit) / theirs[visit.round] for visit in self.visits if visit.round in theirs]
        return median(ratios) if ratios else None


class Results:
    """All summaries of a run."""

    def __init__(self, visits: Iterable[Visit]) -> None:
        grouped: dict[tuple[str, WorkName, int], list[Visit]] = {}
        for visit in visits:
            grouped.setdefault((visit.peer, visit.work, visit.connections), []).append(visit)
        self._summaries = {key: Summary(*key, each) for key, each in grouped.items()}

    def of(self, peer: str, work: WorkName, connections: int) -> Summary | None:
        """One server at one work, when it was measured."""
        return self._summaries.get((peer, work, connections))

    def at(self, work: WorkName, connections: int) -> list[Summary]:
        """All servers at one work, the cheapest first."""
        found = [each for each in self._summaries.values() if (each.work, each.connections) == (work, connections)]
        return sorted(found, key=lambda each: each.cpu)

    def tables(self, *, latency: bool) -> str:
        """Every table, as Markdown."""
        pairs: dict[tuple[WorkName, int], None] = dict.fromkeys(
            (work, connections) for _, work, connections in self._summaries
        )
        return "\n\n".join(self._table(work, connections, latency=latency) for work, connections in pairs)

    def _table(self, work: WorkName, connections: int, *, latency: bool) -> str:
        ceiling, fastapi = self.of(CEILING, work, connections), self.of(MEASURE, work, connections)
        heads = ["server", "CPU µs/request", "±", f"CPU / {CEILING}", f"{MEASURE} / CPU", "requests/s"]
        heads += [
            f"rate / {CEILING}",
            f"rate / {MEASURE}",
            "server busy",
            "load busy",
            *(["p50 ms", "p99 ms"] if latency else []),
        ]
        lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
        for each in self.at(work, connections):
            cells = [f"**{each.peer}**" if each.peer == OURS else each.peer, f"{each.cpu:.1f}", f"{each.spread:.0%}"]
            cells += [_ratio(each.times(ceiling, _cpu)), _ratio(_inverse(each.times(fastapi, _cpu)))]
            cells += [f"{each.rate:,.0f}", _ratio(each.times(ceiling, _rate)), _ratio(each.times(fastapi, _rate))]
            cells += [f"{each.median(_server_busy):.0%}", _load_busy(each)]
            if latency:
                cells += [f"{each.median(_half) * 1e3:.2f}", f"{each.median(_worst) * 1e3:.2f}"]
            lines.append(_row(cells))
        plural = "connection" if connections == 1 else "connections"
        return f"### {WORKS[work].words}, {connections} {plural}\n\n" + "\n".join(lines)


def _cpu(visit: Visit) -> float:
    return visit.cpu


def _rate(visit: Visit) -> float:
    return visit.rate


def _half(visit: Visit) -> float:
    return visit.load.half_latency


def _worst(visit: Visit) -> float:
    return visit.load.worst_latency


def _server_busy(visit: Visit) -> float:
    return visit.load.server_cpu / visit.load.seconds


def _load_busy(each: Summary) -> str:
    # Where the load's core is full and the server's is not, requests per second tell of the load and not of the server.
    busy = each.median(lambda visit: visit.load.load_cpu / visit.load.seconds)
    bound = busy > LOAD_BOUND and each.median(_server_busy) < SERVER_BUSY
    return f"{busy:.0%}" + (" (!)" if bound else "")


def _inverse(ratio: float | None) -> float | None:
    return None if ratio is None else 1 / ratio


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
