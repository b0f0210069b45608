"""The programs that the how-to pages show, as the tests of those pages run them."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[2] / "docs" / "howto"


@contextmanager
def program_of(page: str, folder: Path) -> Generator[Any]:
    """The program of a page as a module in this folder, known by its name as if it stood on the path; then no more."""
    name = f"{page.replace('-', '_')}_of_the_page"
    code = (PAGES / f"{page}.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    file = folder / f"{name}.py"
    file.write_text(f"from __future__ import annotations\n\n{code}", encoding="utf-8")
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
