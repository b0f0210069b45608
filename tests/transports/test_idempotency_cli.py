"""`--key` on the command line: the first answer again, and a note on standard error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import Command, TestApp
from antiphon.testing.engines import ValkeyServer
from tests.transports.keyed_actions import app


@pytest.fixture
async def keyed(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The actions, with a store that every command shares."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ, listen=False) as opened:
        yield opened


async def add(keyed: TestApp, text: str, *more: str) -> Command:
    """Add a note."""
    return await keyed.command("keyed:add", "--text", text, "--output", "json", *more)


async def test_a_repeat_prints_the_first_result(keyed: TestApp) -> None:
    """From another process, with a note that nothing was done; standard output has the result alone."""
    first = await add(keyed, "a", "--tags", "x", "--key", "k")

    again = await add(keyed, "a", "--tags", "x", "--key", "k")

    assert (first.code, again.code, again.out) == (0, 0, first.out)
    assert (first.err, "Nothing was done now" in again.err) == ("", True)


async def test_without_a_key_nothing_is_said(keyed: TestApp) -> None:
    """Each command runs."""
    commands = [await add(keyed, "a") for _ in range(2)]

    assert [(command.code, command.err) for command in commands] == [(0, ""), (0, "")]


async def test_other_inputs_end_with_2(keyed: TestApp) -> None:
    """As inputs that do not fit."""
    await add(keyed, "a", "--key", "k")

    other = await add(keyed, "b", "--key", "k")

    assert (other.code, other.out, other.error["type"]) == (2, "", "INVALID_INPUT")


async def test_a_final_error_is_repeated(keyed: TestApp) -> None:
    """The note comes before the error, which stays the last line."""
    words = ("keyed:refused", "--how", "conflict", "--output", "json", "--key", "k")
    first, again = await keyed.command(*words), await keyed.command(*words)

    assert (again.code, again.error["message"]) == (first.code, first.error["message"])
    assert again.err.startswith("Nothing was done now")


async def test_the_system_has_keys_of_its_own(keyed: TestApp) -> None:
    """An operator as the system is not whoever is not signed in."""
    await add(keyed, "a", "--key", "k")

    other = await add(keyed, "a", "--key", "k", "--as", "system")

    assert (other.code, "Nothing was done now" in other.err) == (0, False)


async def test_only_what_changes_something_has_the_flag(keyed: TestApp) -> None:
    """Where it would mean nothing it is not offered."""
    unsafe, safe = await keyed.command("keyed:add", "--help"), await keyed.command("keyed:look", "--help")

    assert ("--key" in unsafe.out, "--key" in safe.out) == (True, False)
