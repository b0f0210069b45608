"""Which application this is and where it may keep files: a value that any service can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

type Environment = Literal["development", "test", "production"]


@dataclass(frozen=True, slots=True)
class AppInfo:
    """Name and version as the application says them, the environment it runs in, and its folder for data."""

    name: str
    version: str
    environment: Environment
    folder: Path

    @property
    def production(self) -> bool:
        """Whether unsafe settings must stop the start."""
        return self.environment == "production"
