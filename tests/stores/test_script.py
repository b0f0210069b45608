"""Scripts: one step in the store, known by its hash, sent again when the server has forgotten it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.script import Script
from antiphon.testing.engines import ValkeyServer

ADD = Script("add", "local n = redis.call('incrby', KEYS[1], ARGV[1]) redis.call('pexpire', KEYS[1], 60000) return n")
SOURCE = Path(__file__).parents[2] / "src"

_WORD = r"""\s*['"]\w+['"]\s*,"""
_KEY_IN_TEXT = re.compile(
    # After XINFO and XGROUP stands a word, and after XREADGROUP some; their keys come behind.
    rf"""redis\.p?call\((?:\s*['"](?:xinfo|xgroup)['"]\s*,{_WORD}|\s*['"](?!s?publish|x(?:info|group|readgroup))\w+['"]\s*,)"""
    r"""\s*(?:['"]|ARGV)""",
    re.IGNORECASE,
)


async def test_a_script_runs_as_one_step(store: Store) -> None:
    """Keys and arguments arrive in order and the answer comes back."""
    assert await store.run(ADD, [store.key("n")], [2]) == 2
    assert await store.run(ADD, [store.key("n")], [3]) == 5


async def test_a_script_that_the_server_has_forgotten_is_sent_again() -> None:
    """A restart empties the server's list of scripts; callers do not notice."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent())
        await store.run(ADD, ["t:n"], [1])

        await server.restart()

        assert await store.run(ADD, ["t:n"], [1]) == 2
        await store.close()


async def test_a_known_script_is_not_sent_again() -> None:
    """From the second time on only its hash travels."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent())
        for _ in range(5):
            await store.run(ADD, ["t:n"], [1])

        counts = await store.client.execute_command("INFO", "commandstats")

        assert counts["cmdstat_evalsha"]["calls"] == 5
        assert counts["cmdstat_eval"]["calls"] == 1
        await store.close()


def test_a_script_is_read_from_the_file_beside_its_signature(tmp_path: Path) -> None:
    """`Script.beside(__file__, "take.lua")` reads take.lua."""
    (tmp_path / "take.lua").write_text("return 1", "utf-8")

    script = Script.beside(str(tmp_path / "take.py"), "take.lua")

    assert (script.name, script.text) == ("take.lua", "return 1")


@pytest.mark.parametrize(
    "line", ["redis.call('GET', 'session')", 'redis.pcall("del", ARGV[1])', "redis.call('XINFO', 'GROUPS', 'log')"]
)
def test_a_key_that_does_not_come_through_keys_is_recognised(line: str) -> None:
    """The check below would see it."""
    assert _KEY_IN_TEXT.search(line)


def test_no_script_names_a_key_itself() -> None:
    """Every key comes through KEYS[], so that a Cluster can run the script. What PUBLISH names is a channel, no key."""
    at_fault = [
        f"{path.name}: {found.group()}"
        for path in SOURCE.rglob("*.lua")
        for found in _KEY_IN_TEXT.finditer(path.read_text("utf-8"))
    ]

    assert not at_fault
