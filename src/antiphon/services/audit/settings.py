"""How long the audit log is kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class AuditSettings(Settings, frozen=True):
    """What is kept of the audit log."""

    section: ClassVar[str] = "audit"

    keep_time: Annotated[timedelta, doc("How long rows are kept; `audit:purge` removes older ones once a day.")] = (
        timedelta(days=400)
    )

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """A log that is emptied every day is none."""
        if self.keep_time < timedelta(days=1):
            yield Fault("keep_time", "must be 1d or longer")
