"""A lock is stale when the projects declare something else than it was made for; no registry is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from scripts.lock import LOCKS, Lock, locked_for, requirements
from scripts.sources import Fault


def locked(root: Path) -> Iterator[Fault]:
    """Every requirement that is declared and not locked, or locked and not declared."""
    for lock in LOCKS:
        yield from _compare(root, lock)


def _compare(root: Path, lock: Lock) -> Iterator[Fault]:
    declared, made_for = list(requirements(root, lock)), locked_for(root, lock)
    for requirement in declared:
        if requirement not in made_for:
            yield Fault(lock.path, 1, f"was made without {requirement!r}. Run `make lock`.")
    for requirement in made_for:
        if requirement not in declared:
            yield Fault(
                lock.path, 1, f"was made for {requirement!r}, which nothing declares any more. Run `make lock`."
            )
