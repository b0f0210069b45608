"""From visits to tables: medians over the rounds, and ratios taken within each round before their median is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.http.peers import ADAPTER, MEASURE, OURS, PROTOCOL
from bench.http.rounds import Visit
from bench.http.works import Ask

LOAD_BOUND = 0.9
SERVER_BUSY = 0.97


@dataclass(frozen=True)
class Summary:
    """Every visit to one server that was asked in one way."""

    peer: str
    ask: Ask
    visits: list[Visit]

    def median(self, of: Callable[[Visit], float]) -> float:
        """The median over the rounds."""
        return median(of(visit) for visit in self.visits)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.median(lambda visit: visit.load.rate)

    @property
    def cpu(self) -> float:
        """Microseconds of server CPU per request."""
        return self.median(lambda visit: visit.load.cpu)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart: half of the range of CPU per request, as a part of the median."""
        each = [visit.load.cpu for visit in self.visits]
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
        grouped: dict[tuple[str, Ask], list[Visit]] = {}
        for visit in visits:
            grouped.setdefault((visit.peer, visit.ask), []).append(visit)
        self._summaries = {key: Summary(*key, each) for key, each in grouped.items()}

    def of(self, peer: str, ask: Ask) -> Summary | None:
        """One server asked in one way, when it was measured."""
        return self._summaries.get((peer, ask))

    def at(self, ask: Ask) -> list[Summary]:
        """All servers that were asked in this way, the cheapest first."""
        return sorted((each for each in self._summaries.values() if each.ask == ask), key=lambda each: each.cpu)

    def asks(self) -> list[Ask]:
        """The ways of asking, in the order of the plan."""
        return list(dict.fromkeys(ask for _, ask in self._summaries))

    def tables(self) -> str:
        """Every table, as Markdown."""
        return "\n\n".join(self._table(ask) for ask in self.asks())

    def _table(self, ask: Ask) -> str:
        ceiling, fastapi = self.of(PROTOCOL, ask), self.of(MEASURE, ask)
        heads = ["server", "CPU µs/request", "±", f"CPU / {PROTOCOL}", f"{MEASURE} / CPU", "requests/s"]
        heads += [
            f"rate / {PROTOCOL}",
            f"rate / {MEASURE}",
            "server busy",
            "load busy",
            *("p50 ms", "p90 ms", "p99 ms"),
        ]
        lines = [_row(heads), _row(["---", *["---:"] * (len(heads) - 1)])]
        for each in self.at(ask):
            name = f"**{each.peer}**" if each.peer in (OURS, ADAPTER) else each.peer
            cells = [name, f"{each.cpu:.1f}", f"{each.spread:.0%}"]
            cells += [_ratio(each.times(ceiling, _cpu)), _ratio(_inverse(each.times(fastapi, _cpu)))]
            cells += [f"{each.rate:,.0f}", _ratio(each.times(ceiling, _rate)), _ratio(each.times(fastapi, _rate))]
            cells += [f"{each.median(_server_busy):.0%}", _load_busy(each)]
            cells += [f"{each.median(latency) * 1e3:.2f}" for latency in (_half, _most, _worst)]
            lines.append(_row(cells))
        return f"### {ask.words}\n\n" + "\n".join(lines)


def _cpu(visit: Visit) -> float:
    return visit.load.cpu


def _rate(visit: Visit) -> float:
    return visit.load.rate


def _half(visit: Visit) -> float:
    return visit.load.half_latency


def _most(visit: Visit) -> float:
    return visit.load.most_latency


def _worst(visit: Visit) -> float:
    return visit.load.worst_latency


def _server_busy(visit: Visit) -> float:
    return visit.load.server_cpu / visit.load.seconds


def _load_busy(each: Summary) -> str:
    # Where the load's core is full and the server's is not, requests per second tell of the load and not of the server.
    busy = each.median(lambda visit: visit.load.load_busy / visit.load.seconds)
    bound = busy > LOAD_BOUND and each.median(_server_busy) < SERVER_BUSY
    return f"{busy:.0%}" + (" (!)" if bound else "")


def _inverse(ratio: float | None) -> float | None:
    return None if ratio is None else 1 / ratio


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
