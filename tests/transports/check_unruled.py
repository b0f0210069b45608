"""An action that does not say who may call it."""

from __future__ import annotations

from antiphon import Context, action, post


@action("nobody:said", post("/nobody"))
async def nobody_said(ctx: Context) -> None:
    """Nobody said who may."""
