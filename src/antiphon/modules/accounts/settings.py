"""How accounts come about: whether an address is confirmed before it counts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from antiphon import Fault, Settings, doc

_LONGEST = timedelta(days=30)


class AccountSettings(Settings, frozen=True):
    """What signing up and a new email ask for."""

    section: ClassVar[str] = "accounts"

    confirm_email: Annotated[
        bool, doc("Whether an address is confirmed by mail before it counts; signing up then tells nothing.")
    ] = False
    confirm_time: Annotated[timedelta, doc("How long a token that confirms an address waits to be used.")] = timedelta(
        hours=24
    )

    def problems(self, environment: str) -> Iterable[Fault]:
        """A token that nobody can use in time, or that waits for too long."""
        if not timedelta(0) < self.confirm_time <= _LONGEST:
            yield Fault("confirm_time", "must be longer than 0s and 30d at most")
