"""`python -m bench.live`: start the servers, prove them equal, measure them in rounds, print and keep the tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from bench.http.machine import busy, choose_cores, machine_facts
from bench.http.running import BenchFault
from bench.live.idle import allow_files
from bench.live.peers import OURS, PEERS, WORKS, Work, chosen
from bench.live.report import Results
from bench.live.rounds import Plan, Servers, measure, started
from bench.live.targets import verdicts
from bench.live.visits import Visit

RESULTS = Path(__file__).parent.parent / "results"
IDLE, QUICK_IDLE = 10_000, 2_000


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.live", description="What sockets cost, everywhere.")
    parser.add_argument("--rounds", type=int, help="visits to each server at trips and fan (5; --quick: 2)")
    parser.add_argument("--long-rounds", type=int, help="visits to each server at stall and idle (3; --quick: 1)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a visit (1.5; --quick: 0.5)")
    parser.add_argument("--warm-up", type=float, default=0.3, help="seconds before they are measured (0.3)")
    parser.add_argument("--idle", type=int, help=f"idle sockets ({IDLE}; --quick: {QUICK_IDLE})")
    parser.add_argument("--only", default="", help=f"servers, of {', '.join(peer.key for peer in PEERS)}")
    parser.add_argument("--works", default=",".join(WORKS), help=f"works, of {', '.join(WORKS)}")
    parser.add_argument("--quick", action="store_true", help="four minutes, for a first impression")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for. Raises ValueError for what is not there."""
    quick: bool = options.quick
    plan = Plan(
        peers=chosen(options.only),
        works=[_work(name.strip()) for name in options.works.split(",")],
        rounds=options.rounds or (2 if quick else 5),
        long_rounds=options.long_rounds or (1 if quick else 3),
        seconds=options.seconds or (0.5 if quick else 1.5),
        warm_up=options.warm_up,
        idle=options.idle or (QUICK_IDLE if quick else IDLE),
    )
    if plan.idle < 2:
        raise ValueError(f"--idle says {plan.idle}: the memory of one socket is not the difference of anything.")
    return plan


def _work(name: str) -> Work:
    for known in WORKS:
        if known == name:
            return known
    raise ValueError(f"--works names {name!r}, which is no work here. There are: {', '.join(WORKS)}.")


def main(arguments: list[str]) -> int:
    """Run the bench; exit status 1 when a server does not do the works as agreed."""
    options = options_of(arguments)
    try:
        plan = plan_of(options)
        if "idle" in plan.works:
            allow_files(plan.idle)
        cores = choose_cores()
        before = busy()
        os.sched_setaffinity(0, {cores.load})
        with started(plan, cores) as servers:
            visits = [_told(visit) for visit in measure(plan, servers)]
    except (BenchFault, ValueError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    facts = machine_facts([*plan.peers], cores, servers.versions, before)
    text = page(plan, facts, servers, visits)
    print(text)
    ours = any(visit.peer == OURS for visit in visits)
    whole = ours and not (options.quick or options.only) and set(plan.works) == set(WORKS)
    keep(plan, facts, visits, page=text if whole else None)
    return 0


def _told(visit: Visit) -> Visit:
    line = f"round {visit.round}  {visit.work:<6}  {visit.peer:<22}  {visit.figures['cpu'] * 1e6:6.1f} µs"
    print(f"{line}  {visit.said}", file=sys.stderr)
    return visit


def page(plan: Plan, facts: dict[str, str], servers: Servers, visits: list[Visit]) -> str:
    """The whole answer, as Markdown."""
    results = Results(visits)
    rounds = f"{plan.rounds} interleaved rounds of {plan.seconds:g} s, {plan.long_rounds} of stall and idle"
    measured = {visit.peer for visit in visits}
    lines = [
        "## Sockets, one core a server",
        "",
        f"- method: {rounds}; {plan.idle:,} idle sockets",
        *(f"- {name}: {fact}" for name, fact in facts.items()),
        *(f"- {peer.name}: {peer.runs_on}" for peer in plan.peers if peer.name in measured),
        *(f"- left out: {servers.reason(peer, work)}" for peer, work in servers.left_out),
    ]
    told = verdicts(results)
    if told:
        lines += ["", "### To reach, by CPU", "", *told]
    return "\n".join([*lines, "", results.tables()])


def keep(plan: Plan, facts: dict[str, str], visits: list[Visit], *, page: str | None) -> None:
    """Write every visit as JSON; the page only after a whole run, as the documentation quotes it."""
    RESULTS.mkdir(exist_ok=True)
    said = {
        "facts": facts,
        "plan": asdict(plan) | {"peers": [peer.name for peer in plan.peers]},
        "visits": [visit.facts() for visit in visits],
    }
    (RESULTS / "live.json").write_text(json.dumps(said, indent=1) + "\n")
    if page is not None:
        (RESULTS / "live.md").write_text(page + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
