"""The sockets of a user are counted over all nodes together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from antiphon.transports.websocket.seats import Seats
from tests.transports.websocket_stage import SESSIONS, on_stage


async def test_a_user_has_a_bounded_number_of_sockets_on_all_nodes(tmp_path: Path, shared: tuple[str, str]) -> None:
    """One here and one there are as many as two here; when one has gone there is room again, on either."""
    two = {"per_user": 2}
    async with (
        on_stage(tmp_path / "here", shared, websocket=two) as here,
        on_stage(tmp_path / "there", shared, websocket=two) as there,
    ):
        async with here.ada() as first, there.ada():
            for live in (here, there):
                refused = await live.refused(authorization="Bearer ada")
                assert (refused.status, refused.type) == (429, "TOO_MANY_CALLS")
            async with there.talker(authorization="Bearer eve"):
                await first.connection.close()
            await here.gone()
            async with there.ada():
                assert len(there.clients) == 2


async def test_one_too_many_by_signing_in_is_closed_whatever_node_it_is_on(
    tmp_path: Path, shared: tuple[str, str]
) -> None:
    """With 4509, after the sign-in was answered; whoever was there stays."""
    one: dict[str, Any] = {"modules": SESSIONS, "websocket": {"per_user": 1}}
    async with on_stage(tmp_path / "here", shared, **one) as here, on_stage(tmp_path / "there", shared, **one) as there:
        async with here.talker() as first, there.talker() as second:
            await first.result("session:create", name="ada")
            await second.say(action="session:create", params={"name": "ada"})

            assert await second.closed() == 4509
            assert "result" in await first.ask(ping=True)


async def test_the_last_seat_is_taken_once(store: Store) -> None:
    """Of those who come for it at the same moment one gets it, and who has one may ask again."""
    one, other = Seats(store, 2), Seats(store, 2)
    assert await one.take("ada", "a")

    taken = await asyncio.gather(*((one, other)[number % 2].take("ada", f"{number}") for number in range(20)))

    assert sum(taken) == 1
    assert not await other.take("ada", "late")
    assert await one.take("ada", "a")
    assert await one.take("eve", "late")


async def test_a_seat_that_was_given_back_is_free(store: Store) -> None:
    """On every node, and giving back what nobody has is no fault."""
    seats = Seats(store, 1)
    assert await seats.take("ada", "a")

    await seats.leave("ada", "a")
    await seats.leave("ada", "never")

    assert await Seats(store, 1).take("ada", "b")


async def test_a_seat_that_nobody_holds_is_free_in_the_end(store: Store) -> None:
    """What a process that died has left behind has a lifetime, and holding it begins that anew."""
    seats = Seats(store, 1)
    await seats.take("ada", "a")
    (key,) = await store.client.execute_command("KEYS", f"{store.prefix}:*")
    await store.client.pexpire(key, 50)

    await seats.hold("ada", ["a"])

    assert await store.client.pttl(key) > 1_000
    assert not await seats.take("ada", "b")
    await store.client.pexpire(key, 1)
    await wait_until(lambda: seats.take("ada", "b"), "the seat of nobody was never free")


async def test_sockets_without_a_seat_get_one_when_they_are_held(store: Store) -> None:
    """Those that opened while the store was away count again once it is back, however many they are."""
    seats = Seats(store, 1)

    await seats.hold("ada", ["a", "b"])

    assert not await seats.take("ada", "c")


async def test_without_the_store_nobody_is_refused_for_it() -> None:
    """Each process has its own count then, and closing a socket is no fault either."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="t", log=Silent())
        await server.kill()
        seats = Seats(store, 1)

        assert await seats.take("ada", "a")
        assert await seats.take("ada", "b")
        await seats.leave("ada", "a")
        await store.close()
    assert await Seats(None, 1).take("ada", "a")


async def test_open_sockets_keep_their_seats(tmp_path: Path, shared: tuple[str, str]) -> None:
    """A node says again and again which sockets are open: a seat that was lost is taken anew."""
    async with on_stage(tmp_path, shared, websocket={"per_user": 1}) as live, live.ada():
        store = live.desk.runtime.require(Store, "the test")
        held = store.key("{sockets.*}")
        (key,) = await store.client.execute_command("KEYS", held)
        await store.client.unlink(key)

        async def is_held() -> bool:
            return bool(await store.client.exists(key))

        await wait_until(is_held, "the seat was never held again")
