"""The `token` frame: an access token for a socket that is open, the first one or the next before the last one ends."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from antiphon.core.channel import MemberNames
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn, Unavailable
from antiphon.core.inputs.kinds import Struct
from antiphon.core.session import CredentialShown
from antiphon.core.standing import find_standing
from antiphon.transports.websocket.calls import Run, told_of
from antiphon.transports.websocket.frames import Said, SocketUser, result_frame

if TYPE_CHECKING:
    from antiphon.transports.websocket.client import SocketClient


class TokenTaken(Struct):
    """The answer to a token: whose it is, and when the socket ends unless another one is shown before."""

    user: SocketUser | None
    expires_at: datetime | None


def token_run(client: SocketClient, said: Said) -> Run:
    """What looks at the token: a call that comes with it, while the socket is still who it was."""
    connection = client.connection.showing(str(said.token))
    return Run(said.id, client.desk.context("socket:token", connection), client.standing, ends_with_client=True)


async def take_token(client: SocketClient, said: Said, run: Run) -> None:
    """Let the socket be whoever the token stands for. One that does not verify changes nothing."""
    ctx = run.ctx
    try:
        standing = await find_standing(ctx)
        if not standing.caller.signed_in:
            raise NotSignedIn("The token is of no use. Sign in with session:create, or refresh it.")
        shown = ctx.told(CredentialShown)
        answer = TokenTaken(await socket_user(ctx), shown.ends_at if shown is not None else None)
        if client.socket.is_open and not run.is_silent:
            client.connection.show(str(said.token))
            client.desk.stand(client, standing)
            client.reply(result_frame(said.id, answer))
    except Exception as error:  # noqa: BLE001  # told apart there
        if not run.is_silent:
            client.fail(said.id, told_of(error, ctx), ctx.request_id)
    except asyncio.CancelledError:
        if not run.is_silent:
            client.fail(said.id, Unavailable("The server goes away. Ask again."), ctx.request_id)


async def socket_user(ctx: Context) -> SocketUser | None:
    """The user who calls, by name, or None for nobody."""
    if ctx.caller.kind != "user":
        return None
    names = ctx.runtime.find(MemberNames)
    return SocketUser(ctx.caller.id, await names.name_of(ctx.caller.id) if names is not None else "")
