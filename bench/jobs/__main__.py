"""`python -m bench.jobs`: every queue in turn on one store, in rounds; then the same kills for each; print and keep."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.http.machine import busy, choose_cores, machine_facts
from bench.jobs.faults import losses
from bench.jobs.peers import chosen
from bench.jobs.processes import BenchFault
from bench.jobs.report import report
from bench.jobs.store import BenchStore
from bench.jobs.visits import visit

RESULTS = Path(__file__).parent.parent / "results"


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description="What jobs cost, everywhere.")
    parser.add_argument("--rounds", type=int, default=3, help="visits to each queue (3)")
    parser.add_argument("--noops", type=int, default=20_000, help="jobs that do nothing (20,000)")
    parser.add_argument("--shorts", type=int, default=2_000, help="jobs of 10 ms (2,000)")
    parser.add_argument("--effects", type=int, default=8_000, help="jobs of 50 ms that workers are killed in (8,000)")
    parser.add_argument("--only", default="", help="queues, such as antiphon,arq")
    parser.add_argument("--no-kills", action="store_true", help="leave the kills out")
    parser.add_argument("--quick", action="store_true", help="one round, a quarter of the jobs, for a first impression")
    return parser.parse_args(arguments)


def say(line: str) -> None:
    """Tell whoever waits how far the run has come."""
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Run the bench."""
    options = options_of(arguments)
    share = 4 if options.quick else 1
    rounds = 1 if options.quick else options.rounds
    try:
        queues = chosen(options.only)
        cores, before = choose_cores(), busy()
        os.sched_setaffinity(0, {cores.load})
        with BenchStore(cores.load) as store:
            figures = [
                visit(queue, store, cores, options.noops // share, options.shorts // share, say)
                for _ in range(rounds)
                for queue in queues
            ]
            kills = [] if options.no_kills else queues
            killed = [losses(queue, store, cores, options.effects // share, say) for queue in kills]
    except (BenchFault, ValueError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    text = report(machine_facts([], cores, {}, before), figures, killed, rounds)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "jobs.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
