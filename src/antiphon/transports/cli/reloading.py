"""Sees when a file of the application changes, for `serve --reload`."""

# Files are looked at, not subscribed to: a few hundred of them cost about a millisecond, twice a second, while a person
# writes code; and a look works on every system and on every kind of folder, where notices of changes do not.

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

LOOK_SECONDS = 0.3
SETTINGS = (".toml", ".yaml", ".yml", ".json")
SKIPPED = frozenset(("__pycache__", "node_modules", "site-packages", "dist-packages"))

type Seen = dict[str, tuple[int, int, int]]
"""Files, each with what changes when it is written: time, size, and the file itself when an editor replaces it."""


def python_roots() -> list[str]:
    """Where the Python files of this program stand, apart from what is installed: folders of packages, single files."""
    installed = tuple(f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    found: set[str] = set()
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        file = getattr(module, "__file__", None)
        if not file or not file.endswith(".py") or file.startswith(installed):
            continue
        package = (getattr(spec, "name", None) or name).partition(".")[0]
        top = getattr(sys.modules.get(package), "__path__", None)
        found.update(map(os.path.abspath, top or [file]))
    return sorted(found)


class Watch:
    """Watches the Python files under `roots`, and the settings in `folder`."""

    def __init__(self, roots: Iterable[str], folder: Path) -> None:
        self._roots = set(roots)
        self._folder = folder
        self._seen = self._look()

    def add(self, roots: Iterable[str]) -> None:
        """Watch these as well, from now on."""
        further = set(roots) - self._roots
        self._roots |= further
        for root in further:
            self._seen |= dict(_look_at(root))

    def summary(self) -> str:
        """What is watched, for a person: `14 files in olympus, antiphon`."""
        names = sorted(Path(root).name for root in self._roots)
        return f"{len(self._seen)} files in {', '.join(names)}"

    async def changed(self) -> list[str]:
        """Wait for changes, until nothing has changed for a moment; the names of the files."""
        changes: set[str] = set()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            seen, before = self._look(), self._seen
            self._seen = seen
            now = {path for path in seen.keys() | before.keys() if seen.get(path) != before.get(path)}
            changes |= now
            if changes and not now:
                return sorted(changes)

    def _look(self) -> Seen:
        seen = {path: state for root in self._roots for path, state in _look_at(root)}
        for path in self._folder.glob("settings*"):
            if path.suffix in SETTINGS:
                seen |= dict(_look_at(str(path)))
        return seen | dict(_look_at(str(self._folder / ".env")))


def _look_at(root: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    if not os.path.isdir(root):  # noqa: PTH112  # a path of text, many times a second
        yield from _state(root)
        return
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        for name in files:
            if name.endswith(".py"):
                yield from _state(os.path.join(folder, name))  # noqa: PTH118  # as above


def _state(path: str) -> Iterator[tuple[str, tuple[int, int, int]]]:
    try:
        found = os.stat(path)  # noqa: PTH116  # as above
    except OSError:
        return
    yield path, (found.st_mtime_ns, found.st_size, found.st_ino)
