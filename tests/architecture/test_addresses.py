"""Files that name a registry, a machine's folder or a page from elsewhere are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.addresses import addresses
from scripts.checks.exceptions import PATH, Exceptions
from tests.architecture.planting import plant

# Written in two parts, so that this file names none of them.
REGISTRY = "https://" + "pypi" + ".org/simple"
FOLDER = "/" + "root/project"
PAGE = "DESIGN" + " §7"


@pytest.mark.parametrize("named", [REGISTRY, FOLDER, PAGE])
@pytest.mark.parametrize("path", ["docs/why/page.md", "src/part.py", "Makefile", ".ci/run"])
def test_an_address_is_found_in_any_file(tmp_path: Path, named: str, path: str) -> None:
    """Code, pages and the files around them are all read, and the line is named."""
    sources = plant(tmp_path, {path: f"one\ntwo {named}\n"})

    (fault,) = addresses(sources, Exceptions(tmp_path))

    assert (fault.path, fault.line) == (path, 2)


def test_a_route_that_looks_like_a_folder_is_good(tmp_path: Path) -> None:
    """Only a path that begins at the root of a machine counts."""
    sources = plant(tmp_path, {"src/routes.py": "'/api/work/1' '{root}/work/' 'a.root/b'\n"})

    assert not list(addresses(sources, Exceptions(tmp_path)))


def test_an_exception_with_a_reason_is_allowed(tmp_path: Path) -> None:
    """A file that has to name an address says why in the list of exceptions."""
    exceptions = '[addresses]\n"docs/howto.md" = "shows how to change the registry"\n'
    sources = plant(tmp_path, {"docs/howto.md": REGISTRY, PATH: exceptions})

    assert not list(addresses(sources, Exceptions(tmp_path)))
