"""Finds what a test has left behind: keys that never go away, and tasks that still run."""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from typing import Any

from antiphon.core.log import Silent
from antiphon.stores.base import Store


async def lasting_keys(url: str, prefix: str, *, allowed: tuple[str, ...] = ()) -> list[str]:
    """The keys under `prefix` that have no lifetime. `allowed` are patterns (`*:due`) of names after the prefix."""
    store = Store(url, prefix=prefix, log=Silent())
    try:
        names: list[bytes] = await store.client.execute_command("KEYS", f"{prefix}:*")
        async with store.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
            lifetimes = await pipeline.execute()
    finally:
        await store.close()
    # -1 is a key without a lifetime, -2 one that went in the meantime.
    lasting = [name.decode() for name, lifetime in zip(names, lifetimes, strict=True) if lifetime == -1]
    start = len(prefix) + 1
    return sorted(name for name in lasting if not any(fnmatchcase(name[start:], pattern) for pattern in allowed))


def tasks_left() -> list[asyncio.Task[Any]]:
    """The tasks of the running loop besides the one that asks."""
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
