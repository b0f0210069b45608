"""`python -m bench.http`: start the servers, prove them equal, measure them in rounds, print and keep the tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from bench.http.machine import choose_cores, machine_facts
from bench.http.peers import OURS, chosen
from bench.http.report import Results
from bench.http.rounds import Plan, Visit, measure, started
from bench.http.running import BenchFault
from bench.http.targets import verdicts
from bench.http.works import WORKS, Work

RESULTS = Path(__file__).parent.parent / "results"


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.http", description="What one HTTP call costs, everywhere.")
    parser.add_argument("--rounds", type=int, help="visits to each server at each work (7; --quick: 3)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a visit (1.5; --quick: 0.4)")
    parser.add_argument("--warm-up", type=float, help="seconds before they are measured (0.3; --quick: 0.15)")
    parser.add_argument("--only", default="", help="servers, by the beginnings of their names: --only antiphon,bare")
    parser.add_argument("--works", default="get,put,layers", help="works, of get, put and layers")
    parser.add_argument(
        "--connections", default="64", help="connections at once; several are measured one after another"
    )
    parser.add_argument(
        "--latency", action="store_true", help="show latencies, at 1 and 64 connections unless said otherwise"
    )
    parser.add_argument("--generator", choices=["python", "wrk"], default="python", help="what sends the load")
    parser.add_argument("--quick", action="store_true", help="under a minute, for a first impression")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for."""
    rounds, seconds, warm_up = (3, 0.4, 0.15) if options.quick else (7, 1.5, 0.3)
    unasked = options.latency and options.connections == "64"
    return Plan(
        peers=chosen(options.only),
        works=[_work(name.strip()) for name in options.works.split(",")],
        connections=[int(number) for number in ("1,64" if unasked else options.connections).split(",")],
        rounds=options.rounds or rounds,
        seconds=options.seconds or seconds,
        warm_up=warm_up if options.warm_up is None else options.warm_up,
        generator=options.generator,
    )


def _work(name: str) -> Work:
    for known, work in WORKS.items():
        if known == name:
            return work
    raise ValueError(f"--works names {name!r}, which is no work here. There are: {', '.join(WORKS)}.")


def main(arguments: list[str]) -> int:
    """Run the bench; exit status 1 when a server does not do the works as agreed."""
    options = options_of(arguments)
    try:
        plan = plan_of(options)
        cores = choose_cores()
        facts = machine_facts(plan.peers, cores)
        os.sched_setaffinity(0, {cores.load})
        with started(plan, cores) as servers:
            visits = [_told(visit) for visit in measure(plan, servers)]
    except (BenchFault, ValueError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = page(plan, facts, visits, latency=options.latency)
    print(text)
    ours = any(visit.peer == OURS for visit in visits)
    whole = ours and not (options.quick or options.only) and len(plan.works) == len(WORKS)
    keep(plan, facts, visits, page=text if whole else None)
    return 0


def _told(visit: Visit) -> Visit:
    line = f"round {visit.round}  {visit.work:<6}  {visit.peer:<12}  {visit.cpu:6.1f} µs  {visit.rate:9,.0f}/s"
    print(line, file=sys.stderr)
    return visit


def page(plan: Plan, facts: dict[str, str], visits: list[Visit], *, latency: bool) -> str:
    """The whole answer, as Markdown."""
    results = Results(visits)
    method = f"{plan.rounds} interleaved rounds of {plan.seconds:g} s, load by {plan.generator}"
    lines = [
        "## HTTP, one core a server",
        "",
        f"- method: {method}",
        *(f"- {name}: {fact}" for name, fact in facts.items()),
    ]
    lines += [f"- {peer.name}: {peer.runs_on}" for peer in plan.peers if peer.runs_on != "uvicorn"]
    lines += ["", results.tables(latency=latency)]
    told = [line for connections in plan.connections for line in verdicts(results, connections)]
    if told:
        lines += ["", "### To reach, by CPU per request", "", *told]
    return "\n".join(lines)


def keep(plan: Plan, facts: dict[str, str], visits: list[Visit], *, page: str | None) -> None:
    """Write every visit as JSON; the page only after a whole run, as the documentation quotes it."""
    RESULTS.mkdir(exist_ok=True)
    said = {
        "facts": facts,
        "plan": asdict(plan)
        | {"works": [work.name for work in plan.works], "peers": [peer.name for peer in plan.peers]},
        "visits": [visit.facts() for visit in visits],
    }
    (RESULTS / "http.json").write_text(json.dumps(said, indent=1) + "\n")
    if page is not None:
        (RESULTS / "http.md").write_text(page + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
