"""From visits to tables: medians over the rounds, and ratios taken within each round before their median is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.live.peers import ECHO, KEPT, MEASURE, OURS, WORKS, Work
from bench.live.visits import Visit

LOAD_BOUND, SERVER_BUSY = 0.9, 0.97
MIB = 1024 * 1024


@dataclass(frozen=True)
class Summary:
    """Every visit to one server at one work."""

    peer: str
    work: Work
    visits: list[Visit]

    def of(self, name: str) -> float | None:
        """The median of a figure over the rounds that have it."""
        values = [visit.figures[name] for visit in self.visits if name in visit.figures]
        return median(values) if values else None

    def spread(self) -> float:
        """How far the rounds lie apart: half of the range of the CPU, as a part of its median."""
        each = [visit.figures["cpu"] for visit in self.visits]
        return (max(each) - min(each)) / 2 / median(each)

    def times(self, other: Summary | None, name: str) -> float | None:
        """The median, over the rounds, of how many times the other's figure this one's is."""
        if other is None:
            return None
        theirs = {visit.round: visit.figures[name] for visit in other.visits if name in visit.figures}
        ratios = [
            visit.figures[name] / theirs[visit.round]
            for visit in self.visits
            if name in visit.figures and theirs.get(visit.round)
        ]
        return median(ratios) if ratios else None

    def said(self) -> str:
        """What was said beside the figures, each once."""
        return " / ".join(dict.fromkeys(visit.said for visit in self.visits if visit.said))


type Cell = Callable[[Summary, "Results"], str]


class Results:
    """All summaries of a run."""

    def __init__(self, visits: Iterable[Visit]) -> None:
        grouped: dict[tuple[str, Work], list[Visit]] = {}
        for visit in visits:
            grouped.setdefault((visit.peer, visit.work), []).append(visit)
        self._summaries = {key: Summary(*key, each) for key, each in grouped.items()}

    def of(self, peer: str, work: Work) -> Summary | None:
        """One server at one work, when it was measured."""
        return self._summaries.get((peer, work))

    def at(self, work: Work) -> list[Summary]:
        """All servers at this work, the best first."""
        order = "each" if work == "idle" else "cpu"
        return sorted((each for each in self._summaries.values() if each.work == work), key=lambda s: s.of(order) or 0)

    def tables(self) -> str:
        """Every table, as Markdown."""
        return "\n\n".join(self._table(work) for work in WORKS if self.at(work))

    def _table(self, work: Work) -> str:
        columns = COLUMNS[work]
        lines = [_row(["server", *columns]), _row(["---", *["---:"] * len(columns)])]
        for each in self.at(work):
            name = f"**{each.peer}**" if each.peer in (OURS, KEPT) else each.peer
            lines.append(_row([name, *(cell(each, self) for cell in columns.values())]))
        return f"### {WORKS[work]}\n\n" + "\n".join(lines)


def _figure(name: str, form: str, unit: float = 1.0) -> Cell:
    def cell(each: Summary, _results: Results) -> str:
        value = each.of(name)
        return "–" if value is None else format(value / unit, form)

    return cell


def _per_core_second(each: Summary, _results: Results) -> str:
    return f"{1 / (each.of('cpu') or 1):,.0f}"


def _spread(each: Summary, _results: Results) -> str:
    return f"{each.spread():.0%}"


def _better_than(other: str) -> Cell:
    """How many times as much this one does with the same CPU."""

    def cell(each: Summary, results: Results) -> str:
        theirs = results.of(other, each.work)
        ratio = theirs.times(each, "cpu") if theirs is not None else None
        return "–" if ratio is None else f"{ratio:.2f}"

    return cell


def _load_busy(each: Summary, _results: Results) -> str:
    # Where the load's core is full and the server's is not, rates tell of the load and not of the server.
    load, server = each.of("load_busy") or 0, each.of("busy") or 0
    return f"{load:.0%}" + (" (!)" if load > LOAD_BOUND and server < SERVER_BUSY else "")


def _said(each: Summary, _results: Results) -> str:
    return each.said()


MICRO, MILLI = 1e-6, 1e-3
_BUSY: dict[str, Cell] = {"server busy": _figure("busy", ".0%"), "load busy": _load_busy}
_LATENCY: dict[str, Cell] = {"p50 ms": _figure("half", ".2f", MILLI), "p99 ms": _figure("worst", ".2f", MILLI)}

COLUMNS: dict[Work, dict[str, Cell]] = {
    "trips": {
        "CPU µs/call": _figure("cpu", ".1f", MICRO),
        "±": _spread,
        f"× {ECHO}": _better_than(ECHO),
        f"× {MEASURE}": _better_than(MEASURE),
        "calls/s": _figure("rate", ",.0f"),
        **_BUSY,
        **_LATENCY,
    },
    "fan": {
        "CPU µs/delivery": _figure("cpu", ".2f", MICRO),
        "±": _spread,
        "deliveries/CPU s": _per_core_second,
        f"× {MEASURE}": _better_than(MEASURE),
        "deliveries/s": _figure("rate", ",.0f"),
        **_BUSY,
        **_LATENCY,
    },
    "stall": {
        "CPU µs/delivery": _figure("cpu", ".2f", MICRO),
        "p99 ms, all read": _figure("calm", ".1f", MILLI),
        "p99 ms, of 990": _figure("worst", ".1f", MILLI),
        "99 % of an ordinary event, ms": _figure("event", ".1f", MILLI),
        "as it was": _figure("change", ".2f"),
        "memory grown MiB": _figure("grown", ".1f", MIB),
        "what became of the ten": _said,
    },
    "idle": {
        "KiB each": _figure("each", ".2f", 1024),
        "KiB each of the second half": _figure("later", ".2f", 1024),
        "process MiB": _figure("whole", ".0f", MIB),
        "CPU µs/opening": _figure("cpu", ".0f", MICRO),
        "±": _spread,
        "opened/s": _figure("opened", ",.0f"),
        "subscribed/s": _figure("subscribed", ",.0f"),
        "failed": _figure("failed", ".0f"),
        "CPU at rest": _figure("rest", ".1%"),
        **_BUSY,
        "said": _said,
    },
}


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
