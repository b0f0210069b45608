"""`python -m bench.http`: start the servers, prove them equal, measure them in rounds, print and keep the tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from bench.http.machine import busy, choose_cores, machine_facts
from bench.http.peers import OURS, PEERS, chosen
from bench.http.report import Results
from bench.http.rounds import Plan, Visit, measure
from bench.http.running import BenchFault
from bench.http.starting import Servers, started
from bench.http.targets import verdicts
from bench.http.works import FEW, MANY, WORKS, Ask, WorkName

RESULTS = Path(__file__).parent.parent / "results"


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.http", description="What one HTTP call costs, everywhere.")
    parser.add_argument("--rounds", type=int, help="visits to each server at each work (7; --whole: 5; --quick: 3)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a visit (1.5; --whole: 1; --quick: 0.4)")
    parser.add_argument("--warm-up", type=float, help="seconds before they are measured (0.3; --quick: 0.15)")
    keys = ", ".join(peer.key for peer in PEERS)
    parser.add_argument("--only", default="", help=f"servers: {keys}, or names' beginnings")
    parser.add_argument("--works", default="get,put,layers", help="works, of get, put and layers")
    each = "several are measured one after another, the first together with the firsts of the other options"
    parser.add_argument("--connections", default="64", help=f"connections at once; {each}")
    parser.add_argument("--headers", default=str(FEW), help=f"request headers, {FEW} or a browser's {MANY}; {each}")
    parser.add_argument("--pipeline", default="1", help=f"requests in flight on each connection; {each}")
    parser.add_argument("--latency", action="store_true", help="measure at 1 connection beside the 64, for latencies")
    parser.add_argument("--whole", action="store_true", help="all there is: 1 and 12 headers, pipelined, latencies")
    parser.add_argument("--generator", choices=["python", "wrk"], default="python", help="what sends the load")
    parser.add_argument("--quick", action="store_true", help="two minutes, for a first impression")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for."""
    rounds, seconds, warm_up = (7, 1.5, 0.3)
    if options.whole:
        rounds, seconds, warm_up = (5, 1.0, 0.3)
    if options.quick:
        rounds, seconds, warm_up = (3, 0.4, 0.15)
    return Plan(
        peers=chosen(options.only),
        asks=list(dict.fromkeys(asks_of(options))),
        rounds=options.rounds or rounds,
        seconds=options.seconds or seconds,
        warm_up=warm_up if options.warm_up is None else options.warm_up,
        generator=options.generator,
    )


def asks_of(options: argparse.Namespace) -> Iterator[Ask]:
    """Every work in the plain way, then with one thing changed at a time: not everything with everything."""
    connections = _numbers(options.connections) + ([1] if options.latency or options.whole else [])
    headers = _numbers(options.headers) + ([MANY] if options.whole else [])
    pipelines = _numbers(options.pipeline) + ([16] if options.whole else [])
    unknown = [number for number in headers if number not in (FEW, MANY)]
    if unknown:
        raise ValueError(f"--headers says {unknown[0]}, and requests here have {FEW} or {MANY}.")
    works = [_work(name.strip()) for name in options.works.split(",")]
    plain = Ask("get", connections[0], headers[0], pipelines[0])
    changed = [replace(plain, headers=number) for number in headers]
    changed += [replace(plain, pipeline=number) for number in pipelines]
    changed += [replace(plain, connections=number) for number in connections]
    for ask in changed:
        for work in works:
            yield replace(ask, work=work)


def _numbers(text: str) -> list[int]:
    numbers = [int(number) for number in text.split(",")]
    if min(numbers) < 1:
        raise ValueError(f"{min(numbers)} is less than one: {text!r}.")
    return numbers


def _work(name: str) -> WorkName:
    for known in WORKS:
        if known == name:
            return known
    raise ValueError(f"--works names {name!r}, which is no work here. There are: {', '.join(WORKS)}.")


def main(arguments: list[str]) -> int:
    """Run the bench; exit status 1 when a server does not do the works as agreed."""
    options = options_of(arguments)
    try:
        plan = plan_of(options)
        cores = choose_cores()
        before = busy()
        os.sched_setaffinity(0, {cores.load})
        with started(plan.peers, plan.asks, cores) as servers:
            visits = [_told(visit) for visit in measure(plan, servers)]
    except (BenchFault, ValueError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    facts = machine_facts(plan.peers, cores, servers.versions, before)
    text = page(plan, facts, servers, visits)
    print(text)
    ours = any(visit.peer == OURS for visit in visits)
    whole = ours and not (options.quick or options.only) and {ask.work for ask in plan.asks} == set(WORKS)
    keep(plan, facts, visits, page=text if whole else None)
    return 0


def _told(visit: Visit) -> Visit:
    line = f"round {visit.round}  {visit.ask.work:<6}  {visit.ask.connections:>3} connections  "
    line += f"{visit.ask.headers:>2} headers  ×{visit.ask.pipeline:<2}  {visit.peer:<26}  "
    print(line + f"{visit.load.cpu:6.1f} µs  {visit.load.rate:9,.0f}/s", file=sys.stderr)
    return visit


def page(plan: Plan, facts: dict[str, str], servers: Servers, visits: list[Visit]) -> str:
    """The whole answer, as Markdown."""
    results = Results(visits)
    method = f"{plan.rounds} interleaved rounds of {plan.seconds:g} s, load by {plan.generator}"
    lines = [
        "## HTTP, one core a server",
        "",
        f"- method: {method}",
        *(f"- {name}: {fact}" for name, fact in facts.items()),
    ]
    measured = {visit.peer for visit in visits}
    lines += [
        f"- {peer.name}: {peer.runs_on}" for peer in plan.peers if peer.name in measured and peer.runs_on != "uvicorn"
    ]
    lines += [f"- left out: {servers.reason(peer, ask)}" for peer, ask in servers.left_out]
    told = verdicts(results)
    if told:
        lines += ["", "### To reach, by CPU per request", "", *told]
    return "\n".join([*lines, "", results.tables()])


def keep(plan: Plan, facts: dict[str, str], visits: list[Visit], *, page: str | None) -> None:
    """Write every visit as JSON; the page only after a whole run, as the documentation quotes it."""
    RESULTS.mkdir(exist_ok=True)
    said = {
        "facts": facts,
        "plan": asdict(plan) | {"peers": [peer.name for peer in plan.peers]},
        "visits": [visit.facts() for visit in visits],
    }
    (RESULTS / "http.json").write_text(json.dumps(said, indent=1) + "\n")
    if page is not None:
        (RESULTS / "http.md").write_text(page + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
