"""The store as the rest of Antiphon uses it: what it promises while the server is there, and while it is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from redis.exceptions import DataError, ResponseError

from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.health import Health
from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.core.settings import describe
from antiphon.stores.base import Store
from antiphon.stores.redis import RedisSettings
from antiphon.stores.redis import store as store_service
from antiphon.testing.engines import ValkeyServer
from tests.stores.store_stage import SOON, store_on


class Recorded(Silent):
    """A log that a test reads."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    def warning(self, event: str, /, **fields: object) -> None:
        self.lines.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


@asynccontextmanager
async def opened(settings: RedisSettings, folder: Path, *, name: str) -> AsyncGenerator[Store]:
    """What the service gives, closed as an application closes it."""
    service = store_service.open(settings, AppInfo(name, "1", "test", folder), Silent())
    yield await anext(service)
    with pytest.raises(StopAsyncIteration):
        await anext(service)


def with_password(server: ValkeyServer, password: str) -> str:
    return server.url.replace("unix://", f"unix://:{password}@")


async def test_a_key_stands_under_the_prefix_of_the_application(store: Store) -> None:
    """Two applications can share one server."""
    await store.client.set(store.key("{session.ab}"), b"1", px=60_000)

    assert store.key("{session.ab}") == f"{store.prefix}:{{session.ab}}"
    assert await store.client.get(f"{store.prefix}:{{session.ab}}") == b"1"


@pytest.mark.parametrize("prefix", ["", "with space", "brace{", "x" * 65])
def test_a_prefix_that_would_break_keys_stops_the_start(prefix: str) -> None:
    """Braces decide about slots of a Cluster, spaces about commands; neither may come in by a setting."""
    with pytest.raises(SetupError, match=r"redis\.prefix"):
        Store("redis://localhost", prefix=prefix, log=Silent())


async def test_a_store_that_is_not_there_is_unavailable() -> None:
    """Nobody listens: a command is told Unavailable, and when to ask again."""
    async with store_on("unix:///no/such/socket") as store:
        with pytest.raises(Unavailable, match="The store is away") as caught:
            await store.client.get("t:a")

    assert caught.value.retry_after == 1.0


async def test_a_store_that_hangs_is_unavailable_when_the_time_is_up() -> None:
    """A server that takes the command and never answers costs `command_time`, not longer."""
    async with ValkeyServer() as server, store_on(server, command_time=SOON) as store:
        await store.client.ping()

        server.pause()

        with pytest.raises(Unavailable):
            async with asyncio.timeout(5):
                await store.client.get("t:a")


async def test_an_answer_that_came_too_late_reaches_nobody_else() -> None:
    """A connection with an open answer is not used again."""
    async with ValkeyServer() as server, store_on(server, command_time=SOON, pool_size=1) as store:
        await store.client.mset({"t:a": "of a", "t:b": "of b"})
        server.pause()
        with pytest.raises(Unavailable):
            await store.client.get("t:a")

        server.resume()

        assert await store.client.get("t:b") == b"of b"


async def test_a_command_is_never_sent_twice() -> None:
    """After Unavailable a command has run once or not at all."""
    async with ValkeyServer() as server, store_on(server, command_time=SOON) as store:
        await store.client.ping()
        server.pause()
        with pytest.raises(Unavailable):
            await store.client.incr("t:count")
        server.resume()

        await asyncio.gather(*(store.client.ping() for _ in range(20)))

        assert await store.client.get("t:count") in (None, b"1")


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_restart_of_the_store_costs_no_caller_an_error_once_it_is_back(kind: str) -> None:
    """Connections that the old server closed are replaced before they are used."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with ValkeyServer(arguments=["--port", str(port), "--bind", "127.0.0.1"]) as server:
        url = server.url if kind == "unix" else f"redis://127.0.0.1:{port}/0"
        async with store_on(url) as store:
            await asyncio.gather(*(store.client.incr("t:count") for _ in range(8)))

            await server.restart()
            await asyncio.gather(*(store.client.incr("t:count") for _ in range(50)))

            assert await store.client.get("t:count") == b"58"


async def test_another_client_can_block_for_longer() -> None:
    """`connect` gives blocking commands a pool and a time of their own."""
    async with ValkeyServer() as server, store_on(server, command_time=SOON) as store:
        blocking = store.connect(connections=1, command_time=timedelta(seconds=30))
        waiting = asyncio.create_task(blocking.execute_command("BLPOP", "t:list", 0))
        await asyncio.sleep(0)

        await store.client.rpush("t:list", "here")

        assert await waiting == [b"t:list", b"here"]
        await blocking.aclose()


REFUSING = {
    "full": ["--maxmemory", "1"],
    "read-only": ["--replicaof", "127.0.0.1 1"],
    "without its primary": ["--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"],
    "without replicas": ["--min-replicas-to-write", "1"],
}


@pytest.mark.parametrize("how", REFUSING)
async def test_a_store_that_refuses_to_serve_is_unavailable(how: str) -> None:
    """Full, read-only, cut off: for the caller the store is away, and the log says which."""
    log = Recorded()
    async with ValkeyServer(arguments=REFUSING[how]) as server, store_on(server, log=log) as store:
        with pytest.raises(Unavailable):
            await store.client.set("t:a", "1")

    assert log.events == ["store.refused"]


async def test_a_refusal_inside_a_pipeline_is_unavailable_too() -> None:
    """Raised, or in its place in the answers when the caller wants them all."""
    async with ValkeyServer(arguments=REFUSING["full"]) as server, store_on(server) as store:
        pipeline = store.client.pipeline(transaction=False)
        pipeline.set("t:a", "1")
        with pytest.raises(Unavailable):
            await pipeline.execute()

        pipeline.exists("t:a")
        pipeline.set("t:a", "1")
        answers = await pipeline.execute(raise_on_error=False)

    assert answers[0] == 0
    assert isinstance(answers[1], Unavailable)


async def test_our_own_mistakes_are_no_outage(store: Store) -> None:
    """A wrong command is a defect to find, not a condition to wait out."""
    await store.client.set(store.key("text"), "1", px=60_000)

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await store.client.execute_command("LPUSH", store.key("text"), "x")


@pytest.mark.parametrize("transaction", [True, False])
async def test_an_error_in_a_pipeline_tells_no_value(store: Store, *, transaction: bool) -> None:
    """The message names the command; keys and values may be secrets."""
    key = store.key("text")
    pipeline = store.client.pipeline(transaction=transaction)
    pipeline.set(key, "1", px=60_000)
    pipeline.lpush(key, "hunter2")

    with pytest.raises(ResponseError, match="LPUSH") as caught:
        await pipeline.execute()

    assert "hunter2" not in str(caught.value)
    assert key not in str(caught.value)


async def test_a_value_that_cannot_be_sent_is_not_shown(store: Store) -> None:
    """It is our mistake, told by the command's name, and nothing of the pipeline was sent."""
    key = store.key("text")
    pipeline = store.client.pipeline(transaction=False)
    pipeline.set(key, "1", px=60_000)
    pipeline.execute_command("SET", key, ["hunter2"])  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped

    with pytest.raises(DataError, match="SET") as caught:
        await pipeline.execute()

    assert "hunter2" not in str(caught.value)
    assert not await store.client.exists(key)


async def test_an_empty_pipeline_sends_nothing(store: Store) -> None:
    """There are no answers, and the connection is as good as before."""
    pipeline = store.client.pipeline(transaction=False)

    assert await pipeline.execute() == []
    assert await store.client.ping()


async def test_commands_of_two_words_are_sent_as_two(store: Store) -> None:
    """Redis-py names them with a space between; the server does not."""
    key = store.key("stream")

    made = await store.client.xgroup_create(key, "group", mkstream=True)
    await store.client.expire(key, 60)

    assert made


async def test_a_transaction_watches_its_keys(store: Store) -> None:
    """WATCH, read, MULTI, write: the way of redis-py works as its books say."""
    key = store.key("count")
    async with store.client.pipeline() as pipeline:
        await pipeline.watch(key)
        before = await pipeline.exists(key)
        pipeline.multi()
        pipeline.set(key, f"{before}", px=60_000)

        assert await pipeline.execute() == [True]


async def test_the_log_tells_an_outage_once_and_its_end_once() -> None:
    """A thousand calls without the store are two lines."""
    log = Recorded()
    async with ValkeyServer() as server, store_on(server, log=log) as store:
        await server.kill()
        for _ in range(5):
            with pytest.raises(Unavailable):
                await store.client.ping()
        await server.start()
        for _ in range(5):
            await store.client.ping()

    assert log.events == ["store.away", "store.back"]


async def test_health_is_up_on_a_server_that_keeps_everything(store: Store) -> None:
    """`noeviction` is what we ask for."""
    assert await store.check_health() is Health.UP
    assert store.health_reason == ""


async def test_health_is_degraded_when_the_server_may_throw_keys_away() -> None:
    """Another eviction policy would lose sessions and jobs; the reason says what to set."""
    log = Recorded()
    async with (
        ValkeyServer(arguments=["--maxmemory-policy", "allkeys-lru"]) as server,
        store_on(server, log=log) as store,
    ):
        assert [await store.check_health() for _ in range(3)] == [Health.DEGRADED] * 3

    assert "allkeys-lru" in store.health_reason
    assert "noeviction" in store.health_reason
    assert log.events == ["store.evicts"]


async def test_health_is_down_when_nobody_answers() -> None:
    """It is found out without raising."""
    async with store_on("unix:///no/such/socket") as store:
        assert await store.check_health() is Health.DOWN


async def test_health_does_not_need_the_right_to_ask_for_info() -> None:
    """A user with the rights for keys alone can run an application."""
    async with ValkeyServer() as server, store_on(server) as owner:
        await owner.client.execute_command("ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-info")
        async with store_on(server.url.replace("unix://", "unix://app:pw@")) as store:
            await store.greet()

            assert await store.check_health() is Health.UP


async def test_the_password_of_the_address_opens_the_store() -> None:
    """User and password stand in the URL."""
    async with (
        ValkeyServer(arguments=["--requirepass", "s3cret"]) as server,
        store_on(with_password(server, "s3cret")) as store,
    ):
        await store.greet()

        assert await store.client.ping()


async def test_a_refused_password_stops_the_start_and_shows_itself_nowhere() -> None:
    """Waiting does not mend it; neither the error nor the log repeats it."""
    log = Recorded()
    async with (
        ValkeyServer(arguments=["--requirepass", "right"]) as server,
        store_on(with_password(server, "s3cret"), log=log) as store,
    ):
        with pytest.raises(SetupError, match=r"refuses .* password") as caught:
            await store.greet()

    assert "s3cret" not in f"{caught.value!r} {log.lines} {store.address} {store.address!r}"


async def test_a_store_that_is_away_does_not_stop_the_start() -> None:
    """The process comes up and waits for it, rather than dying in a loop."""
    log = Recorded()
    async with store_on("unix:///no/such/socket", log=log) as store:
        await store.greet()

    assert log.events == ["store.away"]


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cr#et@localhost:6379",
        "redis://:s3cret@localhost:s3cret",
        "http://:s3cret@localhost",
        "s3cret",
        "redis://localhost?password=s3cret",
        "redis://localhost?socket_timeout=60",
        "redis://localhost?retry_on_timeout=s3cret",
        "redis://[s3cret",
    ],
)
def test_an_address_that_cannot_be_used_stops_the_start_without_being_repeated(url: str) -> None:
    """The message says what an address looks like, and shows no piece of this one."""
    with pytest.raises(SetupError, match=r"redis\.url \(REDIS_URL\)") as caught:
        Store(url, prefix="t", log=Silent())

    assert "s3cr" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_address_prints_without_its_secrets() -> None:
    """Logs name host and port, and nothing else."""
    store = Store("redis://user:s3cret@db.example:6380/2?ssl_ca_certs=/x", prefix="t", log=Silent())

    assert str(store.address) == "redis://db.example:6380/2"


async def test_the_service_opens_the_store_that_the_settings_name(valkey: ValkeyServer, tmp_path: Path) -> None:
    """With a URL that server is used, and keys begin with the name of the application."""
    async with opened(RedisSettings(url=Secret(valkey.url)), tmp_path, name="My Shop 2") as store:
        assert await store.client.ping()
        assert store.key("x") == "my-shop-2:x"

    assert not (tmp_path / "valkey").exists()


async def test_the_service_embeds_a_valkey_when_no_server_is_named(tmp_path: Path) -> None:
    """Without a URL the store lives in the data folder of the application."""
    async with opened(RedisSettings(prefix="p"), tmp_path, name="shop") as store:
        assert await store.client.set(store.key("x"), "1")
        assert store.key("x") == "p:x"

    assert (tmp_path / "valkey").is_dir()


def test_every_setting_is_declared_with_its_doc() -> None:
    """The section reads from the environment under its own names, and from REDIS_URL."""
    names = {setting.name: setting.env for setting in describe([RedisSettings])}

    assert names["redis.url"] == ("REDIS_URL",)
    assert set(names) == {
        f"redis.{field}" for field in ("url", "cluster", "prefix", "pool_size", "command_time", "connect_time")
    }
