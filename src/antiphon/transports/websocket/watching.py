"""Subscribing on a socket: the door, the reply, and then every event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from antiphon.core.channel import Position
from antiphon.core.errors import CallError, Defect, NotFound, TransportFault
from antiphon.transports.websocket.frames import Said, result_frame

if TYPE_CHECKING:
    from antiphon.transports.websocket.client import SocketClient


async def subscribe(client: SocketClient, said: Said) -> None:
    """Watch a topic, or tell why not. The reply comes before any event of the topic."""
    channels = client.desk.channels
    ctx = client.context()
    try:
        if channels is None:
            raise NotFound("There is no such topic.")
        since = said.since if isinstance(said.since, Position) else None
        watch = await channels.subscribe(ctx, str(said.subscribe), client, since)
        client.reply(result_frame(said.id, watch.answer))
        watch.begin()
    except (CallError, Defect, TransportFault) as error:
        client.fail(said.id, error, ctx.request_id)
    except asyncio.CancelledError:
        if client.socket.is_open and channels is not None:
            channels.unsubscribe(client, str(said.subscribe))
    except Exception as error:  # noqa: BLE001  # whatever a door does, its client is told no more than that
        ctx.log.error("websocket.defect", error=error)
        client.fail(said.id, Defect(), ctx.request_id)
