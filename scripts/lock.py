"""Locks what the projects declare, with hashes and without addresses: `python -m scripts.lock [--upgrade]`.

Each lock begins with the requirements it was made for, so that a check can tell without a registry whether it is
stale. Standard library only: it runs before there is an environment.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_OPTIONS = (
    "--universal",  # every platform and every Python from this one on
    "--python-version=3.12",
    "--all-extras",
    "--generate-hashes",
    "--no-header",
    "--annotation-style=line",
    "--no-emit-package=antiphon",  # it is installed from here, not from a registry
)
_MARK = "#: "
_HEAD = "# Made by `make lock` for the requirements below. `make check` compares them with what the projects declare.\n"


class Lock(NamedTuple):
    """One lock: the file, the projects it is made for, their groups beside the extras, the lock it agrees with."""

    path: str
    projects: tuple[str, ...]
    groups: tuple[str, ...] = ()
    agrees_with: str | None = None


LOCKS = (
    Lock("locked.txt", ("pyproject.toml", "olympus/pyproject.toml"), groups=("dev", "pages")),
    # The framework is measured on the versions it is locked on.
    Lock("bench/locked.txt", ("bench/pyproject.toml", "pyproject.toml"), agrees_with="locked.txt"),
    # Apart from the framework: some of these hold redis-py back.
    Lock("bench/jobs/locked.txt", ("bench/jobs/pyproject.toml",)),
)


def requirements(root: Path, lock: Lock) -> Iterator[str]:
    """What the projects of a lock declare, a line each: `antiphon:dev ruff>=0.15`."""
    for project in lock.projects:
        declared: dict[str, Any] = tomllib.loads((root / project).read_text(encoding="utf-8"))
        name = declared["project"]["name"]
        yield f"{name} python{declared['project']['requires-python']}"
        yield from _lines(name, declared["project"].get("dependencies", ()))
        for extra, needs in declared["project"].get("optional-dependencies", {}).items():
            yield from _lines(f"{name}[{extra}]", needs)
        for group in lock.groups:
            yield from _lines(f"{name}:{group}", declared.get("dependency-groups", {}).get(group, ()))


def locked_for(root: Path, lock: Lock) -> list[str]:
    """The requirements that the lock says it was made for."""
    text = (root / lock.path).read_text(encoding="utf-8")
    return [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]


def make(root: Path, lock: Lock, options: Iterable[str]) -> None:
    """Resolve again, keeping the versions that the lock has unless the options say `--upgrade`."""
    command = [".tools/bin/uv", "pip", "compile", *lock.projects, *_OPTIONS, *options]
    command += [f"--group={lock.projects[0]}:{group}" for group in lock.groups]
    if lock.agrees_with:
        command += ["--constraints", lock.agrees_with]
    path = root / lock.path
    subprocess.run([*command, "--quiet", "--output-file", lock.path], cwd=root, check=True)
    pins = "".join(line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if not _head(line))
    head = "".join(f"{_MARK}{line}\n" for line in requirements(root, lock))
    path.write_text(f"{_HEAD}{head}{pins}", encoding="utf-8")


def _lines(owner: str, needs: Iterable[str]) -> Iterator[str]:
    return (f"{owner} {need}" for need in needs)


def _head(line: str) -> bool:
    return line == _HEAD or line.startswith(_MARK)


def main() -> None:
    """Make every lock whose projects are there."""
    root = Path.cwd()
    for lock in LOCKS:
        make(root, lock, sys.argv[1:])
        print(f"{lock.path} is made for {len(locked_for(root, lock))} requirements.")


if __name__ == "__main__":
    main()
