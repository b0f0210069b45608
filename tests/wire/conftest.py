"""A stage for each way in which uvicorn runs us, shared by the tests of one file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from antiphon.testing.waiting import wait_until
from tests.wire.stage import ENGINES, Engine, Stage


@pytest.fixture(scope="module", params=ENGINES, ids=str)
def shared_stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A server that stays for all tests of a file."""
    engine: Engine = request.param
    with Stage(engine) as stage:
        yield stage


@pytest.fixture
async def stage(shared_stage: Stage) -> AsyncIterator[Stage]:
    """The shared server, empty; afterwards no request, connection or unclaimed defect may be left on it."""
    shared_stage.clear()
    yield shared_stage
    await wait_until(lambda: shared_stage.is_idle, "a request or a connection was never ended")
    assert not shared_stage.reported, "the test did not claim these defects"
