"""How a part says whether it works: one value and one small contract."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Health(StrEnum):
    """The state of one part: `up`, `degraded` (serves, with something missing) or `down`."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


@runtime_checkable
class HealthCheck(Protocol):
    """A service that can be away. The name is its key in `/readyz` and `status`; `critical` decides readiness."""

    health_name: str
    health_critical: bool

    async def check_health(self) -> Health:
        """The state now, found within a second and without raising."""
        ...


CHECK_SECONDS = 1.0
"""A part that does not say how it is within this is down."""


async def health_of(checks: Sequence[HealthCheck]) -> dict[str, Health]:
    """How every part is, by name, asked side by side."""
    found = await asyncio.gather(*map(_health_of_one, checks))
    return dict(zip((check.health_name for check in checks), found, strict=True))


async def _health_of_one(check: HealthCheck) -> Health:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check.check_health()
    except TimeoutError:
        return Health.DOWN
