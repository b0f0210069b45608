"""Receipts of a Cluster: every node that takes writes is asked, and one that does not answer keeps all unsafe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon.core.clock import RandomIds
from antiphon.core.errors import Unavailable
from antiphon.core.log import Silent
from antiphon.services.streams.receipts import Receipts
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyCluster
from antiphon.testing.waiting import wait_until


@pytest.fixture
async def cluster() -> AsyncIterator[ValkeyCluster]:
    """Three nodes of the test's own."""
    async with ValkeyCluster() as running:
        yield running


@pytest.fixture
async def receipts(cluster: ValkeyCluster) -> AsyncIterator[Receipts]:
    """Who asks them."""
    store = Store(cluster.url, prefix="test", log=Silent(), clustered=True)
    opened = Receipts(store, RandomIds(), wait=0.2, replicas=0)
    yield opened
    await opened.close()
    await store.close()


async def test_every_node_of_a_cluster_is_asked(cluster: ValkeyCluster, receipts: Receipts) -> None:
    """Whichever node hangs, nothing is safe; a receipt names the runs of all, and one that starts anew changes it."""
    before = await receipts.ask()
    assert before.is_safe
    assert len(before.run.split()) == len(cluster.nodes)
    assert (await receipts.look())[:2] == before[:2]

    for node in cluster.nodes:
        node.pause()
        with pytest.raises(Unavailable):
            await receipts.ask()
        node.resume()

    async def answers() -> bool:
        try:
            return (await receipts.ask()).is_safe
        except Unavailable:
            return False

    await wait_until(answers, "the Cluster never answered again", within=20.0)
    assert (await receipts.ask())[:2] == before[:2]
    await cluster.nodes[1].kill()
    await cluster.nodes[1].start()
    await cluster.whole()
    await wait_until(answers, "the Cluster never answered again", within=20.0)
    after = await receipts.ask()
    assert len(set(after.run.split()) & set(before.run.split())) == len(cluster.nodes) - 1
