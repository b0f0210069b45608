"""The channels that the tests of sockets watch, one for each thing a topic can be, and the actions that show events."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import Channels, Context, Forbidden, Struct, action, allow, anyone, channel, post, require, signed_in
from tests.transports.surface import Watch


class Posted(Struct):
    """Something was said."""

    body: str


class Rang(Struct):
    """A bell that nobody remembers."""

    times: int


class Typing(Struct):
    """Somebody is typing."""

    who: str


@channel("news", Posted, presence=True, replay=300)
async def news(ctx: Context) -> None:
    """Everybody; what was said is kept."""


@channel("bell:{name}", Rang)
async def bell(ctx: Context, name: str) -> None:
    """Everybody; nothing is kept."""


@channel("keys", ephemeral=(Typing,))
async def keys(ctx: Context) -> None:
    """Everybody; only the newest counts."""


@channel("vault", Posted, replay=10)
async def vault(ctx: Context) -> None:
    """Whoever is signed in, but for those whom the test has barred."""
    await require(signed_in, ctx)
    if f"barred {ctx.caller.id}" in ctx.get(Watch).seen:
        raise Forbidden("You are barred from the vault.")


@channel("gate", Posted, replay=10)
async def gate(ctx: Context) -> None:
    """Everybody, when the test says so."""
    watch = ctx.get(Watch)
    watch.event("door asked").set()
    await watch.event("door opens").wait()


@channel("broken", Rang)
async def broken(ctx: Context) -> None:
    """Nobody, by mistake."""
    raise ValueError("SELECT door FROM hinges")


@action("news:post", allow(anyone), post("/news", status=201))
async def post_news(ctx: Context, body: str, topic: str = "news") -> None:
    """Say something."""
    await {"news": news, "vault": vault, "gate": gate}[topic]().publish(ctx, Posted(body))


@action("bell:ring", allow(anyone))
async def ring(ctx: Context, times: int, name: str = "door") -> None:
    """Ring."""
    await bell(name).publish(ctx, Rang(times))


@action("keys:press", allow(anyone))
async def press(ctx: Context, who: str) -> None:
    """Type."""
    await keys().publish(ctx, Typing(who))


@action("vault:bar", allow(anyone))
async def bar(ctx: Context, who: str) -> None:
    """Bar somebody from the vault, and have its door asked again."""
    ctx.get(Watch).seen.append(f"barred {who}")
    await vault().ask_again(ctx, who)


class Page(Struct):
    """A large item."""

    n: int
    text: str


@action("pages:read", allow(anyone))
async def read_pages(ctx: Context, to: int, size: int) -> AsyncIterator[Page]:
    """Give pages of this size."""
    for n in range(to):
        ctx.get(Watch).seen.append("page")
        yield Page(n, "x" * size)


@action("topics:mine", allow(anyone))
async def mine(ctx: Context) -> list[str]:
    """The topics that the caller's connection watches."""
    return sorted(ctx.connection.subscriptions)


NEEDS = (Channels,)
