"""Writes the pages that are made from the code: `python -m scripts.docs`. A check keeps them equal to it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts import reference
from scripts.sources import Fault, Sources
from scripts.tree import tree

type Page = Callable[[Sources], str]


def layers(sources: Sources) -> str:
    """The tree with what each part is for, and the contracts that hold its directions."""
    declared: dict[str, Any] = tomllib.loads((sources.root / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = "".join(f"- {contract['name']};\n" for contract in declared["tool"]["importlinter"]["contracts"])
    trees = "\n".join(tree(sources, folder) for folder in ("src/antiphon", "olympus"))
    return _LAYERS.format(contracts=contracts.removesuffix(";\n") + ".\n", trees=trees)


PAGES: Mapping[str, Page] = {
    "docs/why/layers.md": layers,
    "docs/reference/settings.md": reference.settings,
    "docs/reference/actions.md": reference.actions,
    "docs/tutorial/README.md": reference.tutorial,
}
"""Every generated page and what makes it."""


def stale(sources: Sources, pages: Mapping[str, Page] = PAGES) -> Iterator[Fault]:
    """Every page that is not what the code says now."""
    for path, page in pages.items():
        file = sources.root / path
        written = file.read_text(encoding="utf-8") if file.exists() else ""
        made = page(sources)
        if written != made:
            line = next((n for n, (a, b) in enumerate(_pairs(written, made), start=1) if a != b), 1)
            yield Fault(path, line, "is not what the code says. Run `make docs`.")


def _pairs(written: str, made: str) -> Iterator[tuple[str, str]]:
    return zip(f"{written}\n".splitlines(), f"{made}\n".splitlines(), strict=False)


def main() -> None:
    """Write every page."""
    sources = Sources(Path.cwd())
    for path, page in PAGES.items():
        (sources.root / path).write_text(page(sources), encoding="utf-8")
        print(path)


_LAYERS = """\
<!-- Made by `make docs` from the first lines of the modules and the contracts in pyproject.toml. -->

# The tree is the architecture

Each folder answers one question: what a call is, where shared state lives, how bytes become requests, what an action
can lean on, how a call arrives. Imports go down the rows and never up, so that a part can be read with only what stands
below it in mind. `make check` holds these contracts:

{contracts}
The first line of every module says what it is for, and this page is drawn from those lines.

```text
{trees}```
"""


if __name__ == "__main__":
    main()
