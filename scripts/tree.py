"""Draws the tree of the code from the first lines of its modules: `python -m scripts.tree`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from scripts.checks.first_lines import first_line
from scripts.sources import CODE, Source, Sources

_COMMENTS = {".lua": "--", ".js": "//", ".sh": "#"}


def tree(sources: Sources, folder: str) -> str:
    """The tree under a folder: each file and folder with what it says it is for."""
    purposes = dict(_purposes(sources, folder))
    rows = [(f"{folder}/", purposes.get(folder, "")), *_rows(folder, purposes, "")]
    width = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{width}}  {purpose}".rstrip() + "\n" for name, purpose in rows)


def _purposes(sources: Sources, folder: str) -> Iterator[tuple[str, str]]:
    """Path to purpose, of every file that has one and of every folder on the way to it."""
    for source in sources.all:
        path = PurePosixPath(source.path)
        if not source.within(folder) or path.suffix not in (".py", *_COMMENTS):
            continue
        if path.name == "__init__.py":
            yield path.parent.as_posix(), first_line(source)
            continue
        yield source.path, first_line(source) if source.python else _first_comment(source, _COMMENTS[path.suffix])


def _first_comment(source: Source, mark: str) -> str:
    line = source.text.partition("\n")[0]
    return line.removeprefix(mark).strip() if line.startswith(mark) else ""


def _rows(folder: str, purposes: dict[str, str], indent: str) -> Iterator[tuple[str, str]]:
    entries = sorted(_children(folder, purposes))
    for path, is_folder in entries:
        last = (path, is_folder) == entries[-1]
        name = PurePosixPath(path).name
        yield f"{indent}{'└── ' if last else '├── '}{name}{'/' if is_folder else ''}", purposes.get(path, "")
        if is_folder:
            yield from _rows(path, purposes, f"{indent}{'    ' if last else '│   '}")


def _children(folder: str, purposes: Iterable[str]) -> set[tuple[str, bool]]:
    """The direct children of a folder, and whether each is a folder itself."""
    root = PurePosixPath(folder)
    children: dict[str, bool] = {}
    for purpose in purposes:
        path = PurePosixPath(purpose)
        if root not in path.parents:
            continue
        child = root / path.relative_to(root).parts[0]
        children[child.as_posix()] = children.get(child.as_posix(), False) or child.suffix == ""
    return set(children.items())


def main() -> None:
    """Print the trees of all our code."""
    sources = Sources(Path.cwd())
    folders = ("src/antiphon", *(folder for folder in CODE if folder != "src"))
    print("\n".join(tree(sources, folder) for folder in folders), end="")


if __name__ == "__main__":
    main()
