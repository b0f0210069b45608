"""Puts the scripts of jobs together: how the server takes them, the parts they share, and their own text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.exceptions import NoScriptError

from antiphon.stores.base import Store
from antiphon.stores.client import StoreClient
from antiphon.stores.script import Script

type Argument = str | bytes | int | float
type Keys = Sequence[str]
type Arguments = Sequence[Argument]

_FOLDER = Path(__file__).parent
_ALWAYS = "#!lua flags=allow-oom\n"
"""A store out of memory still runs these: they move or end what is there, and so free it."""
_WITH_ROOM = "#!lua\n"
"""A store out of memory refuses these as a whole, before they have done anything."""


def part(name: str) -> str:
    """The text of a part: `part("put.lua")` is what a script of another folder needs to put jobs into a queue."""
    return (_FOLDER / name).read_text("utf-8")


def step(name: str, *parts: str, needs_room: bool = False) -> Script:
    """The script in the file `name`, after these parts of this folder."""
    head = _WITH_ROOM if needs_room else _ALWAYS
    return Script(name, head + "\n".join(map(part, (*parts, name))))


def putting_step(name: str, text: str) -> Script:
    """A script of another part that puts jobs into their queue as one of its steps: it begins with QueueKeys.

    It may call `put_job(job's key, place of its first argument in ARGV, false, alias life)`; see `put.lua`. When the
    answer is "new" it adds one to the field `unfinished` of KEYS[1].
    """
    return Script(name, _WITH_ROOM + "\n".join((part("lanes.lua"), part("put.lua"), text)))


async def run_all(store: Store, script: Script, calls: Sequence[tuple[Keys, Arguments]]) -> list[Any]:
    """Run a script several times, in order and in one trip; in two the first time after the server has started.

    Every call runs; then the first error is raised.
    """
    if len(calls) == 1:
        keys, args = calls[0]
        return [await store.run(script, keys, args)]
    if not calls:
        return []
    answers = await _pipelined(store.client, script, calls)
    for at, answer in enumerate(answers):
        if isinstance(answer, NoScriptError):
            answers[at] = await store.run(script, *calls[at])
        elif isinstance(answer, Exception):
            raise answer
    return answers


async def _pipelined(client: StoreClient, script: Script, calls: Sequence[tuple[Keys, Arguments]]) -> list[Any]:
    pipeline = client.pipeline(transaction=False)
    for keys, args in calls:
        _ = pipeline.evalsha(script.sha, len(keys), *keys, *args)
    return await pipeline.execute(raise_on_error=False)
