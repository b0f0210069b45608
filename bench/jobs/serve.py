"""The child processes of the bench: `python -m bench.jobs.serve QUEUE produce|work WORK COUNT`, started by bench.jobs.

REDIS_URL names the store. A worker says "ready" by a line of its own, and what it counted by another one.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

APART = {"wait": 0.02}
"""Seconds between two jobs of a work; nothing else is held back."""

SLOTS = 50


def main() -> int:
    """Produce or work until ended."""
    parser = argparse.ArgumentParser(description="One side of one queue; started by bench.jobs, not by hand.")
    parser.add_argument("queue")
    parser.add_argument("side", choices=["produce", "work"])
    parser.add_argument("work")
    parser.add_argument("count", type=int)
    parser.add_argument("--core", type=int)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    queue = import_module(f"bench.jobs.queues.{options.queue}_queue")
    if options.side == "produce":
        queue.produce(os.environ["REDIS_URL"], options.work, options.count, APART.get(options.work, 0.0))
    else:
        queue.work(os.environ["REDIS_URL"], options.count, SLOTS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
