"""How a part says whether it works: one value and one small contract."""

from __future__ import annotations

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
