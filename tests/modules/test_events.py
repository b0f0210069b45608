"""Events as people see and steer them: the log, listeners, replays, and what other services send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.modules.jobs_stage import World, post_office
from tests.olympus_stage import Olympus, Person

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")

SENT = {
    "specversion": "1.0",
    "id": "depot-1",
    "source": "/depot",
    "type": "olympus.parcel.sent",
    "data": {"parcelId": "p7", "grams": 3},
}


@pytest.fixture
def world() -> World:
    """What listeners have heard."""
    return World()


@pytest.fixture
async def office(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str, world: World
) -> AsyncIterator[Olympus]:
    """Olympus with parcels, once on SQLite and once on PostgreSQL."""
    async with post_office(tmp_path, database_url, valkey.url, store_prefix, world) as running:
        yield running


async def announce(person: Person, world: World, parcel_id: str) -> None:
    """Announce a parcel, and wait until the listener has heard of it."""
    answer = await person.client.post("/api/parcels/announce", {"parcelId": parcel_id})
    assert answer.status in (202, 204), answer.body
    await wait_until(lambda: parcel_id in world.heard, "the listener never heard of it", within=15.0)


async def test_the_log_is_read(office: Olympus, world: World) -> None:
    """`events:list` shows what happened, the newest first, as CloudEvents, page by page."""
    hera = await office.admin()
    for parcel_id in ("p1", "p2"):
        await announce(hera, world, parcel_id)

    first = (await hera.client.get("/api/events?stream=parcel&limit=1")).json
    second = (await hera.client.get(f"/api/events?stream=parcel&limit=1&cursor={first['cursor']}")).json

    assert "parcel" in first["streams"]
    (newest,), (oldest,) = first["events"], second["events"]
    assert (newest["event"]["subject"], oldest["event"]["subject"]) == ("p2", "p1")
    assert newest["event"]["type"] == "olympus.parcel.sent"
    assert newest["event"]["data"] == {"parcelId": "p2", "grams": 100}


async def test_listeners_are_listed(office: Olympus, world: World) -> None:
    """`listeners:list` says how far each listener is; one that is up to date has neither lag nor gap."""
    hera = await office.admin()
    await announce(hera, world, "p1")
    seen: list[Any] = []

    async def is_done() -> bool:
        seen[:] = (await hera.client.get("/api/listeners")).json["listeners"]
        return any(each["name"] == "parcel:track" and each["unfinished"] == 0 and each["lag"] == 0 for each in seen)

    await wait_until(is_done, "the listener never came to the end of its log", within=15.0)
    (listener,) = (each for each in seen if each["name"] == "parcel:track")
    assert (listener["stream"], listener["event"], listener["declared"]) == ("parcel", "parcel:sent", True)
    assert (listener["gap"], listener["replay"]) == (None, None)


async def test_a_listener_is_told_again(office: Olympus, world: World) -> None:
    """`events:replay` has a listener told again of a range of the log, by HTTP and by command."""
    hera = await office.admin()
    since = datetime.now(UTC).replace(year=2020).isoformat()
    await announce(hera, world, "p1")

    answer = await hera.client.post("/api/listeners/parcel:track/replay", {"since": since})
    await wait_until(lambda: world.heard.count("p1") == 2, "the listener was not told again", within=15.0)

    async def by_command() -> bool:
        # Another replay is a conflict until the first has been noted as over.
        flags = ("--as", "system", "--name", "parcel:track", "--since", since)
        return (await office.running.command("events:replay", *flags)).code == 0

    await wait_until(by_command, "no second replay could be begun", within=15.0)
    await wait_until(lambda: world.heard.count("p1") == 3, "the listener was not told a third time", within=15.0)
    assert (answer.status, answer.json["listener"]) == (202, "parcel:track")


async def test_what_nobody_missed_is_not_accepted(office: Olympus) -> None:
    """`listener:accept` without a gap is a 404, and `listener:drop` of one that is in use a 409."""
    hera = await office.admin()

    accepted = await hera.client.post("/api/listeners/parcel:track/accept")
    dropped = await hera.client.delete("/api/listeners/parcel:track")

    assert (accepted.status, dropped.status) == (404, 409)


async def service(olympus: Olympus, right: str) -> dict[str, str]:
    """The headers of another service: an API key with this right."""
    hera = await olympus.admin("Hephaestus")
    made = await hera.client.put("/api/key", {"name": "depot", "permissions": [right]})
    assert made.status == 201, made.body
    return {"Authorization": f"Bearer {made.json['key']}", "Content-Type": "application/cloudevents+json"}


async def test_another_service_announces_an_event(office: Olympus, world: World) -> None:
    """`POST /api/events` takes a structured CloudEvent from a key with `event:publish`; a repeat is no second event."""
    headers = await service(office, "event:publish:any")

    answers = [await office.client().post("/api/events", SENT, headers) for _ in range(2)]
    await wait_until(lambda: "p7" in world.heard, "the listener never heard of it", within=15.0)
    hera = await office.admin()
    kept = (await hera.client.get("/api/events?stream=parcel")).json["events"]

    assert [(answer.status, answer.json) for answer in answers] == [(202, {"id": "depot-1"})] * 2
    assert [entry["event"]["source"] for entry in kept] == ["/depot"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"type": "olympus.parcel.lost"}, "type"),
        ({"data": {"parcelId": "p7"}}, "data.grams"),
        ({"specversion": "0.3"}, "specversion"),
        ({"dataversion": 2}, "dataversion"),
        ({"source": "/olympus"}, "source"),
    ],
    ids=str,
)
async def test_an_event_that_is_not_known_is_refused(
    tmp_path: Path,
    olympus_url: str,
    valkey: ValkeyServer,
    store_prefix: str,
    world: World,
    change: dict[str, Any],
    field: str,
) -> None:
    """A type, version or data that this application does not know is a 422 that names the attribute."""
    async with post_office(tmp_path, olympus_url, valkey.url, store_prefix, world) as office:
        headers = await service(office, "event:publish:any")

        answer = await office.client().post("/api/events", {**SENT, **change}, headers)

    assert answer.status == 422
    assert [fault["name"] for fault in answer.error["fields"]] == [field]


async def test_people_announce_nothing(office: Olympus) -> None:
    """`POST /api/events` is for services: a 403 for people, admins too, and for keys without the right."""
    ada, hera = await office.person("Ada"), await office.admin()
    weak = await service(office, "task:view:own")

    answers = [
        await ada.client.post("/api/events", SENT),
        await hera.client.post("/api/events", SENT),
        await office.client().post("/api/events", SENT, weak),
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert (await office.client().post("/api/events", SENT)).status == 401


async def test_an_event_has_a_schema(office: Olympus) -> None:
    """`GET /api/events/schemas/{name}/{version}` is the schema that `dataschema` names; another version is a 404."""
    ada = await office.person("Ada")

    answer = await ada.client.get("/api/events/schemas/parcel:sent/1")
    missing = [
        (await ada.client.get(f"/api/events/schemas/{name}")).status for name in ("parcel:sent/2", "parcel:lost/1")
    ]

    assert answer.status == 200
    assert answer.json["title"] == "parcel:sent 1"
    assert answer.json["$id"].endswith("/api/events/schemas/parcel:sent/1")
    assert missing == [404, 404]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/events"),
        ("GET", "/api/listeners"),
        ("POST", "/api/listeners/parcel:track/replay"),
        ("POST", "/api/listeners/parcel:track/accept"),
        ("DELETE", "/api/listeners/parcel:track"),
    ],
)
async def test_only_admins_steer_events(olympus: Olympus, method: str, path: str) -> None:
    """Everything else about events is a 403 for who is no admin."""
    ada = await olympus.person("Ada")

    answer = await ada.client.request(method, path)

    assert answer.status == 403
