"""Subscribing on a socket: the door, the reply, and then every event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from antiphon.core.channel import Position
from antiphon.core.errors import NotFound, Unavailable
from antiphon.transports.websocket.calls import Run, told_of
from antiphon.transports.websocket.frames import Said, result_frame

if TYPE_CHECKING:
    from antiphon.transports.websocket.client import SocketClient


async def subscribe(client: SocketClient, said: Said, run: Run) -> None:
    """Watch a topic, or tell why not. The reply comes before any event of the topic."""
    channels, ctx, topic = client.desk.channels, run.ctx, str(said.subscribe)
    try:
        if channels is None:
            raise NotFound("There is no such topic.")
        since = said.since if isinstance(said.since, Position) else None
        watch = await channels.subscribe(ctx, topic, client, since)
        if not client.socket.is_open:
            # It has left while the door was asked, and was dropped when there was nothing to drop yet.
            channels.unsubscribe(client, topic)
            return
        client.reply(result_frame(said.id, watch.answer))
        watch.begin()
    except Exception as error:  # noqa: BLE001  # whatever a door does, its client is told no more than that
        if not run.is_silent:
            client.fail(said.id, told_of(error, ctx), ctx.request_id)
    except asyncio.CancelledError:
        # The hub has taken back what it had begun.
        if not run.is_silent:
            client.fail(said.id, Unavailable("The server goes away. Ask again."), ctx.request_id)
    finally:
        if ctx.facts:
            client.follow(ctx, run.before)
