"""Writes packages for tests that are about source files: where an error stands, what is gathered, what imports."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from textwrap import dedent

_numbers = count(1)


@contextmanager
def package(folder: Path, files: Mapping[str, str]) -> Generator[str]:
    """A package of these files, importable under the name that is given, for as long as the block."""
    name = f"written_{next(_numbers)}"
    for path, source in {"__init__.py": "", **files}.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(source).replace("PACKAGE", name))
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield name
    finally:
        sys.path.remove(str(folder))
        for module in [*sys.modules]:
            if module == name or module.startswith(f"{name}."):
                del sys.modules[module]
