"""One step of the rotation of signing keys: which key is made, which one begins to sign, and which are forgotten."""

#     there is                          the step
#     no key                            one is made and is current at once
#     no next key                       one is made and published
#     a next key, published 10 min      it is current, and the one before is retired
#     a next key, published just now    none: whoever kept the old set would refuse its tokens
#
# With every step, retired keys whose last token has expired are forgotten.

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Self

from msgspec.structs import replace

from antiphon.core.errors import Conflict
from antiphon.services.identity.signing import PUBLISHED_BEFORE, Algorithm, SigningKey


class Rotation(NamedTuple):
    """What one step does. `changed` are keys as they are from now on, `over` the kids of those that are forgotten."""

    added: list[SigningKey]
    changed: list[SigningKey]
    over: list[str]

    @classmethod
    def step(cls, keys: Iterable[SigningKey], algorithm: Algorithm, now: datetime) -> Self:
        """One step. Raises Conflict when the next key was published less than 10 minutes ago."""
        keys = list(keys)
        over = [key.kid for key in keys if not key.verifies(now)]
        coming = [key for key in keys if key.state == "next"]
        current = [key for key in keys if key.state == "current"]
        if not current and not coming:
            return cls([replace(SigningKey.make(algorithm, now), current_at=now)], [], over)
        if not coming:
            return cls([SigningKey.make(algorithm, now)], [], over)
        oldest = min(coming, key=lambda key: key.made_at)
        left = (oldest.made_at + PUBLISHED_BEFORE - now).total_seconds()
        if current and left > 0:
            raise Conflict(
                f"The next key has to be published for 10 minutes before it signs. Try again in {left:.0f} s."
            )
        retired = [replace(key, retired_at=now) for key in current]
        return cls([], [replace(oldest, current_at=now), *retired], over)
