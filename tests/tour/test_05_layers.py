"""A layer stands around calls: code before `await next(call, ctx)`, code after it, or both."""

from __future__ import annotations

from typing import Any

from antiphon import App, Call, Context, Next, action, allow, anyone, around
from tests.tour.start import Run


async def politely(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Change the result on its way out."""
    return f"{await next(call, ctx)}, please"


async def without_spaces(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Change an input on its way in; the new one is checked like any other."""
    text = getattr(call.inputs, "text", "")
    return await next(call.replace(text=text.strip()) if text else call, ctx)


@action("word:repeat", allow(anyone), around(politely))
async def repeat(ctx: Context, text: str) -> str:
    """Say it again. `around(...)` puts a layer around this action only."""
    return text


app = App("tour", modules=[__name__], middleware=[without_spaces])
"""`middleware` stands around every action, outside of what `around(...)` puts there."""


async def test_layers_stand_around_a_call(run: Run) -> None:
    """Whatever the transport, the application's layers run first and the action's own inside them."""
    running = await run(app)

    directly = await running.call(repeat, "  once more ")
    command = await running.command("word:repeat", "--text", "  once more ")

    assert directly == "once more, please"
    assert command.result == directly
