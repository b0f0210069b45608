"""Secrets on sockets: what a client shows or is given is in no log, no error and no URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transports.websocket_stage import BEARERS, SESSIONS, Server, on_stage

LOUD = {"level": "debug"}


async def test_no_secret_of_a_socket_is_logged(
    tmp_path: Path, shared: tuple[str, str], server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither the session, nor a ticket that was good or bad, nor a token; though everything is logged that can be."""
    async with on_stage(tmp_path, shared, server, modules=SESSIONS, log=LOUD) as live:
        answer = await live.ask("PUT", "/api/session", {"name": "ada"})
        cookie = str(answer.header("set-cookie")).partition(";")[0]
        ticket = (await live.ask("POST", "/api/socket/ticket", cookie=cookie)).json["ticket"]
        async with live.talker(f"?ticket={ticket}") as talker:
            await talker.result("who:am")
            await talker.call("socket:ticket")
            await talker.ask(token="a-token-of-somebody")
            await talker.send('{"id":1,"password":"a-password-in-a-broken-frame"')
            await talker.answer(None)
            await talker.result("session:create", name="eve")
            tokens = [str(client.connection.session_token) for client in live.clients]
        await live.refused(f"?ticket={ticket}")
        await live.refused(authorization="Bearer a-bearer-of-somebody")

    logged = capfd.readouterr().err
    assert "who:am" in logged
    for secret in (
        cookie.partition("=")[2],
        ticket,
        *tokens,
        "a-token-of-somebody",
        "a-password-in-a-broken-frame",
        "a-bearer-of-somebody",
    ):
        assert secret not in logged


async def test_no_input_is_repeated_in_an_error(
    tmp_path: Path, shared: tuple[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """An input that does not fit is named, and neither shown nor logged."""
    async with on_stage(tmp_path, shared, modules=BEARERS, log=LOUD) as live, live.talker() as talker:
        answer = await talker.call("read:inputs", name="a", password=["a-secret-in-a-list"], mail="a-secret-for-mail")

    assert {fault["name"] for fault in answer["error"]["fields"]} == {"password", "mail"}
    assert "a-secret" not in str(answer) + capfd.readouterr().err
