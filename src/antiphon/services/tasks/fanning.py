"""The jobs of a fan-out itself: one sends its children off, one stops them. Actions that no caller knows."""

from __future__ import annotations

from typing import Protocol

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.traits import only, retry


class FanOut(Protocol):
    """Sends the children of a batch off, and stops them. Both begin again where they were cut off."""

    async def send(self, ctx: Context, batch_id: str, pieces: int) -> None:
        """Enqueue every child of the batch."""
        ...

    async def stop(self, ctx: Context, batch_id: str) -> None:
        """Cancel every child that has not ended."""
        ...


# Whoever may write to the store may run actions (STREAMS.md); nobody reaches these in another way, and what they send
# off has the rules of its own actions.
@action("tasks:fan-out", only("worker"), allow(anyone), retry(attempts=10))
async def send_children(ctx: Context, batch_id: str, pieces: int) -> None:
    """Send the calls of a fan-out off."""
    await ctx.get(FanOut).send(ctx, batch_id, pieces)


@action("tasks:stop", only("worker"), allow(anyone), retry(attempts=10))
async def stop_children(ctx: Context, batch_id: str) -> None:
    """Stop the calls of a fan-out after one of them is dead."""
    await ctx.get(FanOut).stop(ctx, batch_id)
