"""What every transport is to the application: prepared at the start, listening last, drained and stopped first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from antiphon.core.runtime import Runtime


class Transport(Protocol):
    """A way for calls to arrive. It turns bytes into calls and gives them to the runtime's runners."""

    name: str

    @property
    def needs(self) -> Iterable[type]:
        """Services and settings it cannot do without."""
        ...

    def prepare(self, runtime: Runtime) -> None:
        """Compile what the actions need on this transport. Raises SetupError for what does not fit; opens nothing."""
        ...

    async def listen(self) -> None:
        """Begin to take calls from outside. Raises SetupError when that cannot be, such as a port that is taken."""
        ...

    async def drain(self) -> None:
        """Take no new calls and let the running ones end."""
        ...

    async def stop(self) -> None:
        """Close what is left."""
        ...
