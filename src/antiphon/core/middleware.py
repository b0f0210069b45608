"""The one shape there is for "around a call", and how layers are joined: once, at the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from antiphon.core.action import Call
    from antiphon.core.context import Context

type Next = Callable[[Call[Any], Context], Awaitable[Any]]
"""The rest of the way: give it the call, or a call with other inputs, and it gives the result."""

type Middleware = Callable[[Call[Any], Context, Next], Awaitable[Any]]
"""A layer. What it does before `await next(call, ctx)` happens before, what it does after happens after.

It may change the inputs (`next(call.replace(body="…"), ctx)`), the result (return something else), raise a CallError,
or answer without calling `next`. For a stream the result is the iterator: wrap it to act at its items or its end.
"""


def join(layers: Sequence[Middleware], innermost: Next) -> Next:
    """One function out of many layers, the first being the outermost."""
    joined = innermost
    for layer in reversed(layers):
        joined = _bind(layer, joined)
    return joined


def _bind(layer: Middleware, after: Next) -> Next:
    def bound(call: Call[Any], ctx: Context) -> Awaitable[Any]:
        return layer(call, ctx, after)

    return bound
