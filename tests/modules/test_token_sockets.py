"""Tokens on sockets and on the command line: the same person, for as long as the token or the sign-in lasts."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.transports.websocket.transport import Websocket
from tests.modules.identity_people import bearer, refreshed, status_of, with_tokens
from tests.modules.test_keys import new_key
from tests.olympus_stage import Olympus, olympus_on
from tests.transports.websocket_stage import Talker, talking


async def who(talker: Talker) -> str:
    """Whom the calls of a socket come from, or an empty text."""
    answer = await talker.call("user:me")
    return answer["result"]["user"]["id"] if "result" in answer else ""


async def test_a_token_opens_a_socket(olympus: Olympus) -> None:
    """`Authorization: Bearer` at the handshake; the calls are the user's."""
    ada = await olympus.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus, ada)

    async with talking(olympus.running.port, authorization=f"Bearer {tokens['accessToken']}") as talker:
        assert talker.hello["user"]["id"] == ada.id
        assert await who(talker) == ada.id


async def test_a_token_frame_signs_a_socket_in(olympus_anywhere: Olympus) -> None:
    """It answers who that is, by name, and when the token ends; calls after it are the user's."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus_anywhere, ada)

    async with talking(olympus_anywhere.running.port) as talker:
        before = await who(talker)
        answer = await talker.ask(token=tokens["accessToken"])
        after = await who(talker)

    assert answer["result"] == {"user": {"id": ada.id, "name": "Ada"}, "expiresAt": tokens["expiresAt"]}
    assert (before, after) == ("", ada.id)


async def test_a_bad_token_frame_changes_nothing(olympus: Olympus) -> None:
    """Whoever the socket was, it stays; and the token is not repeated."""
    ada = await olympus.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus, ada)

    async with talking(olympus.running.port, authorization=f"Bearer {tokens['accessToken']}") as talker:
        answer = await talker.ask(token=tokens["refreshToken"])
        after = await who(talker)

    assert answer["error"]["type"] == "NOT_SIGNED_IN"
    assert tokens["refreshToken"] not in str(answer)
    assert after == ada.id


async def test_a_sign_out_elsewhere_closes_the_sockets_of_a_token(olympus_anywhere: Olympus) -> None:
    """By the token that opened it, or by its device's list; with 4501."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus_anywhere, ada)

    async with talking(olympus_anywhere.running.port) as talker:
        await talker.ask(token=tokens["accessToken"])
        await olympus_anywhere.client().delete("/api/session", bearer(tokens["accessToken"]))
        code = await talker.closed()

    assert code == 4501


async def test_a_socket_signs_its_token_out(olympus: Olympus) -> None:
    """`session:destroy` is answered, and the socket is closed with 1000; the token is of no use any more."""
    ada = await olympus.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus, ada)

    async with talking(olympus.running.port, authorization=f"Bearer {tokens['accessToken']}") as talker:
        answer = await talker.call("session:destroy")
        code = await talker.closed()

    assert answer["result"] is None
    assert code == 1000
    assert await status_of(olympus, tokens["accessToken"]) == 401


async def test_a_revoked_key_closes_its_sockets(olympus: Olympus) -> None:
    """A socket that an API key opened ends with the key."""
    hera = await olympus.admin()
    made = await new_key(hera)

    async with talking(olympus.running.port, authorization=f"Bearer {made['key']}") as talker:
        opened = await who(talker)
        await hera.client.delete(f"/api/key/{made['id']}")
        code = await talker.closed()

    assert (opened, code) == (hera.id, 4501)


async def test_a_reused_refresh_token_closes_the_sockets(olympus: Olympus) -> None:
    """Theft ends what the thief and the owner have open."""
    ada = await olympus.person("Ada", signed_in=False)
    tokens = await with_tokens(olympus, ada)

    async with talking(olympus.running.port, authorization=f"Bearer {tokens['accessToken']}") as talker:
        await refreshed(olympus, tokens["refreshToken"], agent="Harp/1.0")
        await refreshed(olympus, tokens["refreshToken"], agent="Lute/2.0")
        code = await talker.closed()

    assert code == 4501


async def test_a_socket_lives_until_its_token_ends(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """A new `token` frame renews it; without one it is closed with 4501 when the token ends."""
    clock = StandingClock()
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, clock=clock) as olympus:
        desk = olympus.running.app.transport(Websocket).desk
        ada = await olympus.person("Ada", signed_in=False)
        first = await with_tokens(olympus, ada)
        async with (
            talking(olympus.running.port, authorization=f"Bearer {first['accessToken']}") as left,
            talking(olympus.running.port, authorization=f"Bearer {first['accessToken']}") as renewed,
        ):
            clock.move(timedelta(minutes=9))
            second = (await refreshed(olympus, first["refreshToken"])).json
            await renewed.ask(token=second["accessToken"])
            clock.move(timedelta(seconds=61))
            desk.sweep()
            code = await left.closed()
            goes_on = await who(renewed)

    assert (code, goes_on) == (4501, ada.id)


# The command line


async def test_a_command_acts_as_whom_a_token_stands_for(olympus: Olympus) -> None:
    """By `--token`, from standard input, or from the environment; a bad one is nobody: exit code 3."""
    ada = await olympus.person("Ada", signed_in=False)
    token = (await with_tokens(olympus, ada))["accessToken"]
    running = olympus.running

    flag = await running.command("user:me", "--token", token)
    piped = await running.command("user:me", "--token", "-", stdin=f"{token}\n")
    bad = await running.command("user:me", "--token", token[:-4])
    both = await running.command("user:me", "--token", token, "--as", "system", "--output", "json")

    assert [command.result["user"]["id"] for command in (flag, piped)] == [ada.id, ada.id]
    assert (bad.code, both.code) == (3, 2)
    assert not any(token[-20:] in command.out + command.err for command in (flag, piped, bad, both))
    assert re.search("--as and --token", both.err)


async def test_the_environment_may_carry_the_token(olympus: Olympus) -> None:
    """`OLYMPUS_TOKEN` counts where nothing else says who it is; `--as` and `--token` count before it."""
    ada, ben = await olympus.person("Ada", signed_in=False), await olympus.person("Ben", signed_in=False)
    held, shown = [(await with_tokens(olympus, each))["accessToken"] for each in (ada, ben)]
    running = olympus.running
    commands = TestApp.commands(running.app, running.app.folder, {**running.environ, "OLYMPUS_TOKEN": held})

    found = [await commands.command("user:me", *flags) for flags in ((), ("--token", shown), ("--as", ben.id))]

    assert [command.result["user"]["id"] for command in found] == [ada.id, ben.id, ben.id]


async def test_nothing_of_a_token_is_in_the_log(
    tmp_path: Path,
    olympus_url: str,
    valkey: ValkeyServer,
    store_prefix: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Good or bad, in a header, a body, a frame or a key; though everything is logged that can be."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings={"LOG_LEVEL": "debug"}) as olympus:
        hera = await olympus.admin()
        tokens, key = await with_tokens(olympus, hera), await new_key(hera)
        second = (await refreshed(olympus, tokens["refreshToken"])).json
        await refreshed(olympus, tokens["refreshToken"], agent="Lute/2.0")
        planted = [tokens["accessToken"], tokens["refreshToken"], second["refreshToken"], key["key"]]
        async with talking(olympus.running.port) as talker:
            for text in planted:
                await status_of(olympus, text)
                await status_of(olympus, text[:-3])
                await refreshed(olympus, text)
                await talker.ask(token=text)
                await hera.client.post("/api/token/inspect", {"token": text})

    out, err = capfd.readouterr()
    assert "call.done" in out + err or "GET" in out + err
    assert not [text for text in planted for part in text.split(".") if len(part) > 30 and part in out + err]
