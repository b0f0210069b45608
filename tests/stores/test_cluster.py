"""A store that is a Cluster of three: the same promise as one server, wherever a key is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from time import monotonic

import pytest

from antiphon import SetupError, Unavailable
from antiphon.core.clock import RandomIds, SystemClock
from antiphon.core.health import Health
from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay, RelaySettings
from antiphon.stores.script import Script
from antiphon.testing.engines import ValkeyCluster
from antiphon.testing.waiting import wait_until
from tests.stores.store_stage import Ear, cluster, clustered

__all__ = ["cluster", "clustered"]

SET = Script("set", "redis.call('SET', KEYS[1], ARGV[1], 'EX', 60) return ARGV[1]")


def names(store: Store) -> list[str]:
    """Keys of many slots, so that each node has some."""
    return [store.key(f"{{queue.{number}}}:key") for number in range(30)]


async def test_every_key_is_found(clustered: Store) -> None:
    """Whichever node has it."""
    for number, name in enumerate(names(clustered)):
        await clustered.client.set(name, number, ex=60)

    assert [await clustered.client.get(name) for name in names(clustered)] == [b"%d" % n for n in range(30)]


async def test_a_pipeline_gives_its_answers_in_order(clustered: Store) -> None:
    """Though it goes to several nodes."""
    pipeline = clustered.client.pipeline(transaction=False)
    for number, name in enumerate(names(clustered)):
        pipeline.set(name, number, ex=60)
        pipeline.get(name)

    answers = await pipeline.execute()

    assert answers[1::2] == [b"%d" % number for number in range(30)]


async def test_a_script_runs_where_its_keys_are(clustered: Store) -> None:
    """Also on a node that has not heard of it yet."""
    said = [await clustered.run(SET, [name], [place]) for place, name in enumerate(names(clustered))]

    assert said == [b"%d" % number for number in range(30)]


async def test_scripts_can_be_sent_together(clustered: Store) -> None:
    """In one pipeline to all nodes, once they know the script."""
    for name in names(clustered):
        await clustered.run(SET, [name], ["first"])
    pipeline = clustered.client.pipeline(transaction=False)
    for name in names(clustered):
        _ = pipeline.evalsha(SET.sha, 1, name, "second")

    assert await pipeline.execute(raise_on_error=False) == [b"second"] * 30


async def test_more_calls_than_connections_wait_in_line(cluster: ValkeyCluster) -> None:
    """Nobody is refused for that."""
    store = Store(cluster.url, prefix="test", log=Silent(), clustered=True, pool_size=2)
    try:
        calls = [store.client.set(name, 1, ex=60) for name in names(store)]

        assert all(await asyncio.gather(*calls))
    finally:
        await store.close()


async def test_a_node_that_is_away_is_told_and_the_others_go_on(cluster: ValkeyCluster, clustered: Store) -> None:
    """Its keys are Unavailable within the time of a command; when it is back, so are they."""
    client, node = clustered.client, cluster.nodes[2]
    found: dict[bool, str] = {}
    for name in names(clustered):
        await client.set(name, 1, ex=60)
    await node.kill()
    for name in names(clustered):
        began = monotonic()
        try:
            await client.get(name)
            found[True] = name
        except Unavailable:
            found[False] = name
        assert monotonic() - began < 5
    assert set(found) == {True, False}

    await node.start()
    await cluster.whole()

    async def back() -> bool:
        try:
            return await client.get(found[False]) is not None
        except Unavailable:
            return False

    await wait_until(back, "the keys of the node never came back", within=20)


async def test_health_is_that_of_the_nodes(clustered: Store) -> None:
    """Up while they answer and keep everything."""
    assert await clustered.check_health() is Health.UP


async def test_the_relay_hears_all_nodes(clustered: Store) -> None:
    """A message that any of them sends arrives over one connection."""
    relay = Relay(clustered, RelaySettings(), SystemClock(), RandomIds(), Silent())
    ear = Ear()
    try:
        await relay.listen("news", ear)
        for number in range(10):
            await relay.say("news", b"%d" % number)

        await wait_until(lambda: len(ear.messages) == 10, "not every message arrived")
    finally:
        await relay.close()


@pytest.mark.parametrize("url", ["unix:///tmp/store.sock", "redis://localhost:6379/3"])
def test_an_address_that_no_cluster_has_is_refused(url: str) -> None:
    """A Unix socket, and a numbered database; the message says what to write."""
    with pytest.raises(SetupError, match=r"redis://host:6379"):
        Store(url, prefix="test", log=Silent(), clustered=True, command_time=timedelta(seconds=1))
