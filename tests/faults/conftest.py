"""What the tests of jobs that suffer ask for: a fleet of processes on each kind of store."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.faults.streams_process import Fleet
from tests.faults.streams_stores import SINGLE, ground_of


@pytest.fixture(params=SINGLE)
def ground_kind(request: pytest.FixtureRequest) -> str:
    """The store of the test: the embedded one and a server, and for rows with a ° a Cluster too."""
    return request.param


@pytest.fixture
async def fleet(ground_kind: str, tmp_path: Path) -> AsyncGenerator[Fleet]:
    """Processes that share a folder and a store; afterwards only keys that are bounded may have no lifetime."""
    async with ground_of(ground_kind, tmp_path) as ground:
        fleet = Fleet(tmp_path, ground, {})
        yield fleet
        left = await fleet.leftovers()
        assert not left, f"keys without a lifetime: {left}"
