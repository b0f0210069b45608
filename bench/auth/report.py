"""The tables of a run, and whether what was to be reached was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from bench.auth.cases import ALL, CASES, FREE, Case
from bench.auth.flood import FLOODERS, PACE, Flood
from bench.auth.visits import CONNECTIONS, Trips, Visit

MOST_CHANGE = 1.5
"""How much longer 99 of 100 calls may take beside a flood of sign-ins."""

ENOUGH = 0.25
"""What lies above a whole number of trips and is still that number: what a server asks now and then by itself."""

MILLI = 1e-3
LOAD_BOUND, SERVER_BUSY = 0.9, 0.97


class Results:
    """All visits of a run."""

    def __init__(self, visits: Iterable[Visit], trips: Iterable[Trips], floods: Sequence[Flood]) -> None:
        self._visits: dict[str, list[Visit]] = {}
        for visit in visits:
            self._visits.setdefault(visit.case, []).append(visit)
        self._trips = {each.case: each for each in trips}
        self._floods = floods

    def verdicts(self) -> list[str]:
        """One line a target; a target that was not measured is left out."""
        lines = [self._trips_verdict(case) for case in CASES if case.key in self._trips]
        if self._floods:
            change = median(flood.change for flood in self._floods)
            words = f"the p99 of other calls during a flood of sign-ins is {change:.2f} × that of quiet"
            lines.append(_verdict(change <= MOST_CHANGE, f"{words} (wanted: at most {MOST_CHANGE:.2f} ×)"))
            share = median(flood.share for flood in self._floods)
            lines.append(f"- told: sign-ins come to {share:.2f} × what argon2id alone allows on the same pool")
        everything = self.times(ALL, lambda visit: visit.load.cpu)
        if everything is not None:
            lines.append(f"- told: a signed-in, limited call costs {everything:.2f} × the same call without")
        return lines

    def _trips_verdict(self, case: Case) -> str:
        reads = self._trips[case.key].reads
        times = "time" if case.trips == 1 else "times"
        words = f"{case.words}: the store is asked {reads:.2f} times a call (wanted: {case.trips} {times} at most)"
        return _verdict(reads <= case.trips + ENOUGH, words)

    def times(self, key: str, of: Callable[[Visit], float]) -> float | None:
        """The median, over the rounds, of how many times the figure of the free call this one's is."""
        free = {visit.round: of(visit) for visit in self._visits.get(FREE, ())}
        ratios = [of(visit) / free[visit.round] for visit in self._visits.get(key, ()) if visit.round in free]
        return median(ratios) if ratios else None

    def tables(self) -> str:
        """Every table, as Markdown."""
        parts: list[str] = []
        if self._visits:
            parts.append(f"### what a call costs, {CONNECTIONS} connections\n\n" + "\n".join(self._cases()))
        if self._floods:
            parts.append(
                f"### {FLOODERS} clients that sign in again and again, beside {PACE} calls a second\n\n"
                + "\n".join(self._flooded())
            )
        return "\n\n".join(parts)

    def _cases(self) -> Iterable[str]:
        heads = [
            "around the call",
            "CPU µs/call",
            "±",
            "CPU / nothing",
            "calls/s",
            "nothing / rate",
            "trips to the store",
        ]
        heads += ["commands, those in scripts as well", "store µs/call", "server busy", "load busy", "p50 ms", "p99 ms"]
        yield _row(heads)
        yield _row(["---", *["---:"] * 6, "---", *["---:"] * 5])
        for case in CASES:
            visits, asked = self._visits.get(case.key), self._trips.get(case.key)
            if visits:
                yield _row(self._case(case, visits, asked))

    def _case(self, case: Case, visits: list[Visit], asked: Trips | None) -> list[str]:
        each = [visit.load.cpu for visit in visits]
        rate = self.times(case.key, lambda visit: 1 / visit.load.rate)
        commands = "" if asked is None else ", ".join(_command(*command) for command in sorted(asked.commands.items()))
        server_busy = median(visit.load.server_cpu / visit.load.seconds for visit in visits)
        load_busy = median(visit.load.load_busy / visit.load.seconds for visit in visits)
        bound = " (!)" if load_busy > LOAD_BOUND and server_busy < SERVER_BUSY else ""
        return [
            case.words,
            f"{median(each):.1f}",
            f"{(max(each) - min(each)) / 2 / median(each):.0%}",
            _ratio(self.times(case.key, lambda visit: visit.load.cpu)),
            f"{median(visit.load.rate for visit in visits):,.0f}",
            _ratio(rate),
            "–" if asked is None else f"{max(asked.reads, 0.0):.2f}",
            commands or "–",
            f"{median(visit.store for visit in visits):.1f}",
            f"{server_busy:.0%}",
            f"{load_busy:.0%}{bound}",
            f"{median(visit.load.half_latency for visit in visits) / MILLI:.2f}",
            f"{median(visit.load.worst_latency for visit in visits) / MILLI:.2f}",
        ]

    def _flooded(self) -> Iterable[str]:
        floods = self._floods
        yield _row(["", "sign-ins/s", "refused/s", "p50 ms of the others", "p99 ms of the others", "server busy"])
        yield _row(["---", *["---:"] * 5])
        for name, paced in (("quiet", [f.quiet for f in floods]), ("flood", [f.flooded for f in floods])):
            yield _row(
                [
                    name,
                    f"{median(each.signed_in for each in paced):.1f}",
                    f"{median(each.refused for each in paced):.1f}",
                    f"{median(each.half for each in paced) / MILLI:.2f}",
                    f"{median(each.worst for each in paced) / MILLI:.2f}",
                    f"{median(each.server_cpu for each in paced):.0%}",
                ]
            )
        hashes = median(flood.hashes for flood in floods)
        yield _row(["argon2id alone", f"{hashes:.1f}", *["–"] * 4])


def _command(name: str, each: float) -> str:
    return name.upper() if each < 1.5 else f"{each:.0f} {name.upper()}"


def _verdict(reached: bool, words: str) -> str:
    return f"- {'reached' if reached else 'NOT REACHED'}: {words}"


def _ratio(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.2f}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
