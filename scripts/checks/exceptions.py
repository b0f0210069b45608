"""The exceptions to the rules: one file lists them, each with its reason, and none may outlive its need."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from scripts.sources import Fault

PATH = "scripts/checks/exceptions.toml"


class Exceptions:
    """What may break which rule, and which of these were needed."""

    def __init__(self, root: Path) -> None:
        path = root / PATH
        self._rules = cast("dict[str, dict[str, str]]", tomllib.loads(path.read_text()) if path.exists() else {})
        self._needed: set[tuple[str, str]] = set()

    def allow(self, rule: str, what: str) -> bool:
        """Whether this may break that rule."""
        if not self._rules.get(rule, {}).get(what, "").strip():
            return False
        self._needed.add((rule, what))
        return True

    def faults(self) -> Iterator[Fault]:
        """The exceptions that give no reason or that nothing needs. Ask after every rule has run."""
        for rule, exceptions in self._rules.items():
            for what, reason in exceptions.items():
                if not reason.strip():
                    yield Fault(PATH, 1, f"{rule}: {what!r} gives no reason. Say why, or take it out.")
                elif (rule, what) not in self._needed:
                    yield Fault(PATH, 1, f"{rule}: nothing needs the exception for {what!r} any more. Take it out.")
