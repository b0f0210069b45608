"""Status: how Olympus is, told to anybody and quickly, whatever is away."""

from __future__ import annotations

from pathlib import Path

from antiphon.testing.engines import PostgresServer, ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus, olympus_on

FOR_ALL = {"name", "version", "uptimeSeconds", "healthy", "checks"}
TWO_SECONDS = {"X-Request-Timeout": "2000"}
"""The server itself ends a call that takes longer, with a 504."""


async def test_anybody_may_ask_how_it_is(olympus_anywhere: Olympus) -> None:
    """`status` answers 200 with the state of every part, signed in or not."""
    client = olympus_anywhere.client()

    async def all_up() -> bool:
        return set((await client.get("/api/status")).json["checks"].values()) == {"up"}

    # The worker is up once it has completed its first round.
    await wait_until(all_up, "not everything came up")
    answer = await client.get("/api/status")

    assert answer.status == 200
    assert answer.json.keys() == FOR_ALL
    assert (answer.json["name"], answer.json["healthy"]) == ("olympus", True)
    assert answer.json["checks"].keys() == {"database", "events", "relay", "store", "worker"}


async def test_admins_see_more(olympus: Olympus) -> None:
    """Admins also see the process, its memory and how long calls take; other users do not."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()

    for_ada = (await ada.client.get("/api/status")).json
    for_hera = (await hera.client.get("/api/status")).json

    assert for_ada.keys() == FOR_ALL
    assert for_hera.keys() == FOR_ALL | {"pid", "memoryBytes", "latencies"}
    assert for_hera["latencies"]["user:create"]["http"]["calls"] == 2


async def test_a_lost_store_is_told_in_the_same_body(tmp_path: Path) -> None:
    """While the store is down `status` answers 503 with the same body, which says so."""
    async with ValkeyServer(persistent=False) as store:
        async with olympus_on(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", store.url, "olympus") as olympus:
            await store.kill()

            answer = await olympus.client().get("/api/status", TWO_SECONDS)

            assert answer.status == 503
            assert answer.json.keys() == FOR_ALL
            assert answer.json["healthy"] is False
            assert (answer.json["checks"]["database"], answer.json["checks"]["store"]) == ("up", "down")


async def test_it_answers_in_time_when_nothing_else_does(tmp_path: Path) -> None:
    """With a store and a database that fall silent, even somebody with a session is answered within two seconds."""
    async with ValkeyServer(persistent=False) as store, PostgresServer() as server:
        url = await server.create_database()
        async with olympus_on(tmp_path, url, store.url, "olympus") as olympus:
            ada = await olympus.person("Ada")
            store.pause()
            server.pause()

            async def both_down() -> bool:
                answer = await ada.client.get("/api/status", TWO_SECONDS)
                assert answer.status in (200, 503)
                checks = answer.json["checks"]
                return (checks["database"], checks["store"]) == ("down", "down")

            try:
                await wait_until(both_down, "nobody noticed that store and database are silent", within=15.0)
            finally:
                store.resume()
                server.resume()


async def test_the_description_for_programs_is_served(olympus: Olympus) -> None:
    """`swagger` answers 200 with the OpenAPI document."""
    answer = await olympus.client().get("/api/swagger")

    assert answer.status == 200
    assert answer.json["openapi"].startswith("3.1")
    assert "/api/user" in answer.json["paths"]


async def test_in_production_the_description_is_for_admins(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Where documentation is switched on there, `swagger` asks who it is, by their real session."""
    settings = {"ANTIPHON_ENV": "production", "HTTP_HOSTS": "*", "SESSION_COOKIE_SECURE": "true", "HTTP_DOCS": "true"}
    settings["IDENTITY_SECRET"] = "only this test knows it, and it is long enough"
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with olympus_on(tmp_path, url, valkey.url, store_prefix, settings=settings) as olympus:
        ada, hera = await olympus.person("Ada"), await olympus.admin()
        statuses = [
            (await client.get(path)).status
            for path in ("/api/swagger", "/docs")
            for client in (olympus.client(), ada.client, hera.client)
        ]

    assert statuses == [401, 403, 200] * 2
