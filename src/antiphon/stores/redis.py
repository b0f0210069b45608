"""The store of an application: the server that REDIS_URL names, or an embedded Valkey in the data folder."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from msgspec import Meta

from antiphon.core.errors import Fault, SetupError
from antiphon.core.info import AppInfo, Environment
from antiphon.core.log import Logger
from antiphon.core.secrets import Secret
from antiphon.core.service import service
from antiphon.core.settings import Settings, doc, env
from antiphon.stores.base import Store
from antiphon.stores.embedded import EmbeddedValkey


class RedisSettings(Settings, frozen=True):
    """Where shared state lives, and how long to wait for it."""

    section: ClassVar[str] = "redis"

    url: Annotated[
        Secret[str],
        env("REDIS_URL"),
        doc("The Redis (7 or newer) or Valkey server: redis://, rediss:// or unix://. Empty: an embedded Valkey."),
    ] = Secret("")
    cluster: Annotated[bool, doc("Whether the server is one of a Cluster; its other nodes are found through it.")] = (
        False
    )
    prefix: Annotated[str, doc("What every key begins with. Empty: the name of the application.")] = ""
    pool_size: Annotated[
        int, Meta(ge=1, le=10_000), doc("The most connections of one process; a call waits for a free one.")
    ] = 32
    command_time: Annotated[timedelta, doc("How long a command may take, waiting for a connection included.")] = (
        timedelta(seconds=1)
    )
    connect_time: Annotated[timedelta, doc("How long opening a connection may take.")] = timedelta(seconds=1)

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """A store that only one machine has, or one to which everything goes in the open."""
        parts = urlsplit(self.url.reveal())
        if not parts.scheme:
            yield Fault("url", "names no server: sessions, limits and jobs are in an embedded Valkey of this machine")
        elif parts.scheme != "unix" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            if parts.password is None:
                yield Fault("url", "has no password: whoever reaches the server can be anybody")
            if parts.scheme == "redis":
                yield Fault("url", "goes over the network unencrypted: write rediss://")


def embedded_valkey(settings: RedisSettings, info: AppInfo, log: Logger) -> EmbeddedValkey | None:
    """The Valkey of the data folder, not entered yet; None when an address names another server."""
    return None if settings.url.reveal() else EmbeddedValkey(info.folder / "valkey", log)


@service
async def store(settings: RedisSettings, info: AppInfo, log: Logger) -> AsyncIterator[Store]:
    """Shared state for sessions, limits, jobs and events. The process starts without it if it is away."""
    async with AsyncExitStack() as stack:
        embedded = embedded_valkey(settings, info, log)
        if embedded is not None and settings.cluster:
            raise SetupError("redis.cluster is true, and redis.url (REDIS_URL) names no node of a Cluster.")
        url = settings.url.reveal() if embedded is None else await stack.enter_async_context(embedded)
        opened = Store(
            url,
            prefix=settings.prefix or re.sub(r"[^a-z0-9_.-]+", "-", info.name.lower()),
            log=log,
            pool_size=settings.pool_size,
            command_time=settings.command_time,
            connect_time=settings.connect_time,
            embedded=embedded is not None,
            clustered=settings.cluster,
        )
        stack.push_async_callback(opened.close)
        await opened.greet()
        yield opened
