"""`python -m bench.auth`: start the server and the store, prove the cases, measure in rounds, print and keep."""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.auth.cases import FLOOD, Case, chosen
from bench.auth.flood import FLOODERS, Flood, pace
from bench.auth.people import Person, prove, renewed, sign_up, somebody
from bench.auth.report import Results
from bench.auth.running import PEER, AuthRunning, hashes_a_second
from bench.auth.visits import Trips, Visit, trips_of, visit
from bench.http.machine import Cores, busy, choose_cores, machine_facts
from bench.http.running import BenchFault, free_ports
from bench.jobs.store import BenchStore

RESULTS = Path(__file__).parent.parent / "results"
SEED = 20_240


@dataclass(frozen=True)
class Plan:
    """What is to be measured; the flood's times are those of one half of it."""

    cases: list[Case]
    flood: bool
    rounds: int
    seconds: float
    warm_up: float
    flood_seconds: float


@dataclass
class Stage:
    """What runs, and who calls."""

    server: AuthRunning
    store: BenchStore
    person: Person
    emails: list[str]
    cores: Cores


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.auth", description="What identity and limits cost.")
    parser.add_argument("--rounds", type=int, help="visits to each case, and floods (7; --quick: 3)")
    parser.add_argument("--seconds", type=float, help="measured seconds of a visit (1.5; --quick: 0.5)")
    parser.add_argument("--warm-up", type=float, default=0.3, help="seconds before they are measured (0.3)")
    parser.add_argument("--flood-seconds", type=float, help="measured seconds of a flood (6; --quick: 3)")
    parser.add_argument("--only", default="", help="cases by their keys, such as session,all-cookie, or flood")
    parser.add_argument("--quick", action="store_true", help="a minute, for a first impression")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace) -> Plan:
    """What the command line asks for. Raises ValueError for what is not there."""
    quick: bool = options.quick
    names = [name.strip() for name in options.only.split(",") if name.strip()]
    return Plan(
        cases=[] if names == [FLOOD] else chosen(options.only),
        flood=not names or FLOOD in names,
        rounds=options.rounds or (3 if quick else 7),
        seconds=options.seconds or (0.5 if quick else 1.5),
        warm_up=options.warm_up,
        flood_seconds=options.flood_seconds or (3.0 if quick else 6.0),
    )


def main(arguments: list[str]) -> int:
    """Run the bench; exit status 1 when the server does not do the cases as agreed."""
    options = options_of(arguments)
    try:
        plan = plan_of(options)
        cores, before = choose_cores(), busy()
        os.sched_setaffinity(0, {cores.load})
        with staged(plan, cores) as stage:
            trips = [trips_of(stage.server, stage.store, stage.person, case) for case in plan.cases]
            visits, floods = measure(plan, stage)
    except (BenchFault, ValueError, OSError) as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    facts = machine_facts([PEER], cores, {}, before)
    text = page(plan, facts, Results(visits, trips, floods))
    print(text)
    keep(plan, facts, visits, trips, floods, page=None if options.quick or options.only else text)
    return 0


@contextmanager
def staged(plan: Plan, cores: Cores) -> Generator[Stage]:
    """Start everything, prove the cases; end it all with the block."""
    with BenchStore(cores.load) as store, tempfile.TemporaryDirectory(prefix="bench-auth-") as folder:
        server = AuthRunning(cores.server, free_ports(), store.url, folder)
        try:
            server.await_ready()
            server.thaw()
            person = somebody(server)
            prove(server, person)
            emails = sign_up(server, FLOODERS if plan.flood else 0)
            yield Stage(server, store, person, emails, cores)
        finally:
            server.stop()


def measure(plan: Plan, stage: Stage) -> tuple[list[Visit], list[Flood]]:
    """Every round: each case once in a shuffled order, so that a slow minute hurts all alike, and then the flood."""
    order = random.Random(SEED)  # the same order in every run
    cases = list(plan.cases)
    visits: list[Visit] = []
    floods: list[Flood] = []
    for number in range(1, plan.rounds + 1):
        # An access token lives ten minutes, and a long run does not end in them.
        stage.person = renewed(stage.server, stage.person)
        order.shuffle(cases)
        for case in cases:
            found = visit(
                stage.server, stage.store, stage.person, case, number, warm_up=plan.warm_up, seconds=plan.seconds
            )
            print(f"round {number}  {case.key:<15}{found.load.cpu:8.1f} µs{found.load.rate:10,.0f}/s", file=sys.stderr)
            visits.append(found)
        if plan.flood:
            flood = _flood(plan, stage, number)
            words = f"{flood.flooded.signed_in:.1f} sign-ins/s, p99 {flood.change:.2f} × quiet"
            print(f"round {number}  {FLOOD:<15}{words}", file=sys.stderr)
            floods.append(flood)
    return visits, floods


def _flood(plan: Plan, stage: Stage, number: int) -> Flood:
    server, person, times = stage.server, stage.person, {"warm_up": plan.warm_up, "seconds": plan.flood_seconds}
    signing_in = [replace(person, email=email).sign_in(server.port) for email in stage.emails]
    quiet = pace(server, person, [], **times)
    flooded = pace(server, person, signing_in, **times)
    # The server still has those in hand that were under way; it must not hash beside what hashes alone.
    server.freeze()
    hashes = hashes_a_second(stage.cores.server, plan.flood_seconds / 2)
    server.thaw()
    return Flood(number, quiet, flooded, hashes)


def page(plan: Plan, facts: dict[str, str], results: Results) -> str:
    """The whole answer, as Markdown."""
    method = f"{plan.rounds} interleaved rounds of {plan.seconds:g} s a case and {plan.flood_seconds:g} s a flood"
    lines = ["## Identity and limits, one core for the server", "", f"- method: {method}"]
    lines += [f"- {name}: {fact}" for name, fact in facts.items()]
    lines += ["- store: a Valkey of its own on the core of the load"]
    lines += ["", "### To reach", "", *results.verdicts()]
    return "\n".join([*lines, "", results.tables()])


def keep(
    plan: Plan, facts: dict[str, str], visits: list[Visit], trips: list[Trips], floods: list[Flood], *, page: str | None
) -> None:
    """Write every visit as JSON; the page only after a whole run, as the documentation quotes it."""
    RESULTS.mkdir(exist_ok=True)
    said = {
        "facts": facts,
        "plan": asdict(plan),
        "trips": [asdict(each) for each in trips],
        "visits": [each.facts() for each in visits],
        "floods": [each.facts() for each in floods],
    }
    (RESULTS / "auth.json").write_text(json.dumps(said, indent=1) + "\n")
    if page is not None:
        (RESULTS / "auth.md").write_text(page + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
