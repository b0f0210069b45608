"""Each row of the table of promises has the test that it names."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "why" / "promises.md"
ROW = re.compile(r"^\| (S\d+)(°?) \|.*\| `(\w+)` \|$", re.MULTILINE)


def _tests() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests" / "faults").glob("test_streams*.py"))


def test_every_promise_has_its_test() -> None:
    """A row of a number and a name is a test function of that name, whose docstring begins with the number."""
    text = _tests()
    rows = ROW.findall(TABLE.read_text(encoding="utf-8"))

    missing = [
        f"{number} {name}"
        for number, _, name in rows
        if not re.search(rf'^async def test_{name}\([^)]*\) -> None:\n    """{number}: ', text, re.MULTILINE)
    ]

    assert [number for number, _, _ in rows] == [f"S{number}" for number in range(1, 24)]
    assert not missing


def test_rows_marked_so_also_run_on_a_cluster() -> None:
    """The test of a row with a ° has a mark that adds the Cluster to its stores."""
    text = _tests()
    rows = ROW.findall(TABLE.read_text(encoding="utf-8"))

    missing = [
        name
        for _, mark, name in rows
        if mark
        and not re.search(
            rf'^(@everywhere|@pytest.mark.parametrize\("ground_kind", ALL\))\n'
            rf"async def test_{name}\(",
            text,
            re.MULTILINE,
        )
    ]

    assert not missing
