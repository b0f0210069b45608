"""`Idempotency-Key` over HTTP: the first answer again, with its status, and one effect."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon import App, Http, Module
from antiphon.testing.app import HttpAnswer, TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.transports import keyed_actions
from tests.transports.keyed_actions import Effects, app

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
ADA = {**KEY, "Authorization": "Bearer ada"}
BEN = {**KEY, "Authorization": "Bearer ben"}


@pytest.fixture
async def keyed(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The actions, with a store."""
    async with TestApp.start(app, tmp_path, {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}) as opened:
        yield opened


def effects(keyed: TestApp) -> Effects:
    """What was done."""
    return keyed.runtime.require(Effects, "the test")


def replayed(answer: HttpAnswer) -> str | None:
    """What the answer says of its being a repeat."""
    return answer.header("idempotent-replayed")


async def test_a_repeat_is_given_the_first_answer(keyed: TestApp) -> None:
    """Body, status and location are those of the first call, one header says so, and nothing is done."""
    client = keyed.client()
    first = await client.put("/api/notes", {"text": "a"}, headers=KEY)

    again = await client.put("/api/notes", {"text": "a"}, headers=KEY)

    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert (first.header("location"), again.header("location")) == ("/api/notes/1", "/api/notes/1")
    assert (replayed(first), replayed(again)) == (None, "true")
    assert effects(keyed).count == 1


async def test_without_a_key_every_call_runs(keyed: TestApp) -> None:
    """And the store hears nothing of it."""
    client = keyed.client()
    for _ in range(2):
        await client.put("/api/notes", {"text": "a"})

    assert effects(keyed).count == 2


async def test_an_empty_answer_is_repeated(keyed: TestApp) -> None:
    """204 as well."""
    answers = [await keyed.client().delete("/api/notes/7", headers=KEY) for _ in range(2)]

    assert [(answer.status, replayed(answer)) for answer in answers] == [(204, None), (204, "true")]
    assert effects(keyed).count == 1


async def test_what_only_reads_takes_no_notice(keyed: TestApp) -> None:
    """A GET under a key, be it one or not, is a GET."""
    answers = [await keyed.client().get("/api/look", headers={"Idempotency-Key": "a b"}) for _ in range(2)]

    assert [(answer.status, answer.json) for answer in answers] == [(200, 1), (200, 2)]


async def test_fifty_at_once_have_one_effect(keyed: TestApp) -> None:
    """One runs; whoever comes meanwhile is a conflict, and whoever comes later is given its answer."""
    client = keyed.client()
    calls = [asyncio.create_task(client.post("/api/slow", {"text": "a"}, headers=KEY)) for _ in range(50)]
    await wait_until(lambda: sum(call.done() for call in calls) == 49, "the others were never answered")
    effects(keyed).gate.set()

    answers = await asyncio.gather(*calls)

    assert Counter(answer.status for answer in answers) == {409: 49, 200: 1}
    assert effects(keyed).count == 1
    assert replayed(await client.post("/api/slow", {"text": "a"}, headers=KEY)) == "true"


async def test_a_rush_of_quick_calls_has_one_effect(keyed: TestApp) -> None:
    """Each is answered with the one result, or told that it is not there yet."""
    client = keyed.client()

    answers = await asyncio.gather(*(client.put("/api/notes", {"text": "a"}, headers=KEY) for _ in range(50)))

    assert {answer.status for answer in answers} <= {201, 409}
    assert [answer.status for answer in answers if replayed(answer) is None].count(201) == 1
    assert {answer.json["id"] for answer in answers if answer.status == 201} == {1}
    assert effects(keyed).count == 1


async def test_other_inputs_under_a_key_are_422(keyed: TestApp) -> None:
    """The key stays the first call's."""
    client = keyed.client()
    await client.put("/api/notes", {"text": "a"}, headers=KEY)

    other = await client.put("/api/notes", {"text": "b"}, headers=KEY)

    assert (other.status, other.error["type"], replayed(other)) == (422, "INVALID_INPUT", None)
    assert replayed(await client.put("/api/notes", {"text": "a"}, headers=KEY)) == "true"


async def test_other_inputs_are_422_while_the_first_call_runs(keyed: TestApp) -> None:
    """It is not worth waiting for."""
    client = keyed.client()
    running = asyncio.create_task(client.post("/api/slow", {"text": "a"}, headers=KEY))
    await effects(keyed).begun(1)

    other = await client.post("/api/slow", {"text": "b"}, headers=KEY)

    effects(keyed).gate.set()
    assert (other.status, (await running).status) == (422, 200)


async def test_equal_inputs_may_be_written_otherwise(keyed: TestApp) -> None:
    """Inputs are compared as the action takes them: defaults, and sets in any order."""
    client = keyed.client()
    await client.put("/api/notes", {"text": "a", "tags": ["x", "y", "z"]}, headers=KEY)

    again = await client.put("/api/notes?text=a", {"tags": ["z", "x", "y", "x"]}, headers=KEY)

    assert replayed(again) == "true"


async def test_another_version_is_another_input(keyed: TestApp) -> None:
    """`If-Match` belongs to the call."""
    client = keyed.client()
    await client.put("/api/notes", {"text": "a"}, headers={**KEY, "If-Match": '"1"'})

    other = await client.put("/api/notes", {"text": "a"}, headers={**KEY, "If-Match": '"2"'})

    assert other.status == 422


async def test_a_running_call_is_409_beside_if_match(keyed: TestApp) -> None:
    """412 is for the version, and this is about the key."""
    client, headers = keyed.client(), {**KEY, "If-Match": '"1"'}
    running = asyncio.create_task(client.post("/api/slow", {"text": "a"}, headers=headers))
    await effects(keyed).begun(1)

    meanwhile = await client.post("/api/slow", {"text": "a"}, headers=headers)

    effects(keyed).gate.set()
    assert (meanwhile.status, (await running).status) == (409, 200)


async def test_a_key_is_its_callers(keyed: TestApp) -> None:
    """Nobody is given somebody else's answer, nor in the way of it."""
    client = keyed.client()
    answers = [await client.put("/api/notes", {"text": "a"}, headers=who) for who in (ADA, BEN, KEY, ADA)]

    assert [answer.json["id"] for answer in answers] == [1, 2, 3, 1]
    assert len({*effects(keyed).keys}) == 3


async def test_a_key_is_its_actions(keyed: TestApp) -> None:
    """Another action under the same key is another call."""
    client = keyed.client()
    await client.put("/api/notes", {"text": "a"}, headers=KEY)

    other = await client.delete("/api/notes/1", headers=KEY)

    assert (other.status, replayed(other), effects(keyed).count) == (204, None, 2)


async def test_an_action_sees_an_id_and_not_the_key(keyed: TestApp) -> None:
    """`ctx.idempotency_key` is a UUIDv8 of caller, action and key; without a key it is empty."""
    client = keyed.client()
    await client.put("/api/notes", {"text": "a"}, headers=KEY)
    await client.put("/api/notes", {"text": "a"})

    keyed_id, without = effects(keyed).keys

    assert (keyed_id[14], keyed_id[19] in "89ab", without) == ("8", True, "")
    assert KEY["Idempotency-Key"] not in keyed_id


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "a\tb"], ids=["empty", "space", "letter", "long", "tab"])
async def test_what_is_no_key_is_422(keyed: TestApp, key: str) -> None:
    """And nothing is done."""
    answer = await keyed.client().put("/api/notes", {"text": "a"}, headers={"Idempotency-Key": key})

    assert (answer.status, answer.error["type"], effects(keyed).count) == (422, "INVALID_INPUT", 0)


async def test_the_longest_key_is_one(keyed: TestApp) -> None:
    """255 characters, each of them any that can be seen."""
    answer = await keyed.client().put("/api/notes", {"text": "a"}, headers={"Idempotency-Key": "!~" * 127 + '"'})

    assert answer.status == 201


async def test_wrong_inputs_use_no_key_up(keyed: TestApp) -> None:
    """What was never a call keeps nothing, so the mended call may come under the same key."""
    client = keyed.client()
    assert (await client.put("/api/notes", {"text": 1}, headers=KEY)).status == 422

    assert (await client.put("/api/notes", {"text": "a"}, headers=KEY)).status == 201


@pytest.mark.parametrize(("how", "status"), [("conflict", 409), ("gone", 404)])
async def test_a_final_error_is_repeated(keyed: TestApp, how: str, status: int) -> None:
    """With its status, message and fields."""
    client = keyed.client()
    first = await client.post("/api/refused", {"how": how}, headers=KEY)

    again = await client.post("/api/refused", {"how": how}, headers=KEY)

    told = ("type", "message", "fields")
    assert (first.status, again.status, replayed(first), replayed(again)) == (status, status, None, "true")
    assert [again.error.get(name) for name in told] == [first.error.get(name) for name in told]
    assert effects(keyed).count == 1


@pytest.mark.parametrize(("how", "status"), [("away", 503), ("often", 429), ("accident", 500)])
async def test_after_an_error_that_may_pass_the_repeat_runs(keyed: TestApp, how: str, status: int) -> None:
    """What may go better the next time is not kept."""
    client = keyed.client()
    answers = [await client.post("/api/refused", {"how": how}, headers=KEY) for _ in range(2)]

    assert [(answer.status, replayed(answer)) for answer in answers] == [(status, None)] * 2
    assert effects(keyed).count == 2


async def test_a_call_that_runs_out_of_time_keeps_nothing(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """The repeat runs, and its answer is kept."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ) as keyed:
        client = keyed.client()
        slow = await client.post("/api/slow", {"text": "a"}, headers={**KEY, "X-Request-Timeout": "20"})
        effects(keyed).gate.set()

        again = await client.post("/api/slow", {"text": "a"}, headers=KEY)

        assert (slow.status, again.status, replayed(again)) == (504, 200, None)


async def test_a_large_answer_is_not_kept(keyed: TestApp) -> None:
    """A repeat is told that it was done; up to the bound it is given again."""
    client, other = keyed.client(), {"Idempotency-Key": "other"}
    await client.post("/api/large", {"letters": 64 * 1024 - 2}, headers=KEY)
    await client.post("/api/large", {"letters": 64 * 1024 - 1}, headers=other)

    kept = await client.post("/api/large", {"letters": 64 * 1024 - 2}, headers=KEY)
    gone = await client.post("/api/large", {"letters": 64 * 1024 - 1}, headers=other)

    assert (kept.status, len(kept.body), gone.status, gone.error["type"]) == (200, 64 * 1024, 409, "CONFLICT")
    assert "too large" in gone.error["message"]
    assert effects(keyed).count == 2


async def test_answers_to_secrets_are_not_kept(keyed: TestApp) -> None:
    """A repeat with any secret is told that it was done: neither the secret nor what it opened is in the store."""
    client = keyed.client()
    first = await client.post("/api/secret", {"password": "right"}, headers=KEY)

    again = [await client.post("/api/secret", {"password": word}, headers=KEY) for word in ("right", "wrong")]

    assert (first.status, [answer.status for answer in again]) == (200, [409, 409])
    assert effects(keyed).count == 1


async def test_a_wrong_secret_uses_no_key_up(keyed: TestApp) -> None:
    """Whoever mistypes a password may send the right one under the same key."""
    client = keyed.client()
    words = ("wrong", "wrong", "right")
    answers = [await client.post("/api/secret", {"password": word}, headers=KEY) for word in words]

    assert [answer.status for answer in answers] == [404, 404, 200]


async def test_nobody_is_signed_in_by_a_repeat(keyed: TestApp) -> None:
    """An answer that begins a session is not kept, so no session is given to two."""
    client = keyed.client()
    first = await client.post("/api/sign-in", headers=KEY)
    client.cookies.clear()

    again = await client.post("/api/sign-in", headers=KEY)

    assert (first.status, again.status, again.header("set-cookie")) == (200, 409, None)


async def test_a_file_is_not_kept(keyed: TestApp) -> None:
    """A repeat is told that it was given."""
    answers = [await keyed.client().post("/api/file", headers=KEY) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 409]


async def test_files_are_inputs_by_what_they_hold(keyed: TestApp) -> None:
    """The same file again is the same call; another one is other inputs."""
    client = keyed.client()

    async def send(data: bytes) -> HttpAnswer:
        form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n--b--\r\n"
        headers = {**KEY, "Content-Type": "multipart/form-data; boundary=b"}
        return await client.request("POST", "/api/take-file", headers=headers, raw=form)

    answers = [await send(data) for data in (b"one", b"one", b"two")]

    assert [(answer.status, replayed(answer)) for answer in answers] == [(200, None), (200, "true"), (422, None)]


async def test_json_that_was_written_already_is_repeated(keyed: TestApp) -> None:
    """As it was."""
    answers = [await keyed.client().post("/api/raw", headers=KEY) for _ in range(2)]

    assert [answer.json for answer in answers] == [{"n": 1}, {"n": 1}]


async def test_an_answer_that_is_not_the_last_word_is_repeated(keyed: TestApp) -> None:
    """With its status, its place and the time after which to ask again."""
    answers = [await keyed.client().put("/api/tasks", headers=KEY) for _ in range(2)]

    told = [(each.status, each.header("location"), each.header("retry-after"), each.body) for each in answers]
    assert told == [(202, "/api/notes/1", "8", answers[0].body)] * 2
    assert [replayed(answer) for answer in answers] == [None, "true"]
    assert effects(keyed).count == 1


async def test_a_stream_takes_no_key(keyed: TestApp) -> None:
    """One that is not safe would run again; it is refused before it begins."""
    answer = await keyed.client().post("/api/stream", headers=KEY)

    assert (answer.status, effects(keyed).count) == (422, 0)


async def test_an_answer_outlives_a_restart_of_the_store(tmp_path: Path) -> None:
    """It is on the store's disk."""
    async with ValkeyServer() as server:
        environ = {"REDIS_URL": server.url, "REDIS_PREFIX": "t"}
        async with TestApp.start(app, tmp_path, environ) as keyed:
            await keyed.client().put("/api/notes", {"text": "a"}, headers=KEY)
            await server.restart()

            again = await keyed.client().put("/api/notes", {"text": "a"}, headers=KEY)

            assert (again.status, replayed(again), effects(keyed).count) == (201, "true", 1)


async def test_without_the_store_a_call_with_a_key_is_503(tmp_path: Path) -> None:
    """Nobody could tell whether it was made before. Without a key it is made."""
    async with ValkeyServer(persistent=False) as server:
        async with TestApp.start(app, tmp_path, {"REDIS_URL": server.url, "REDIS_PREFIX": "t"}) as keyed:
            await server.kill()
            client = keyed.client()

            refused = await client.put("/api/notes", {"text": "a"}, headers=KEY)

            assert (refused.status, refused.header("retry-after"), effects(keyed).count) == (503, "1", 0)
            assert (await client.put("/api/notes", {"text": "a"})).status == 201


async def test_an_answer_is_given_though_it_cannot_be_kept(tmp_path: Path) -> None:
    """The store goes away while the call runs: what was done was done."""
    async with ValkeyServer(persistent=False) as server:
        async with TestApp.start(app, tmp_path, {"REDIS_URL": server.url, "REDIS_PREFIX": "t"}) as keyed:
            running = asyncio.create_task(keyed.client().post("/api/slow", {"text": "a"}, headers=KEY))
            await effects(keyed).begun(1)
            await server.kill()
            effects(keyed).gate.set()

            assert (await running).status == 200


async def test_an_application_without_a_store_refuses_keys(tmp_path: Path) -> None:
    """It keeps nothing, and so must not seem to. Without a key the call is made."""
    bare = App("keyed", modules=[Module(keyed_actions.__name__)], transports=[Http()])
    async with TestApp.start(bare, tmp_path, {"LIMITS_ENABLED": "false"}) as keyed:
        client = keyed.client()
        refused = await client.put("/api/notes", {"text": "a"}, headers=KEY)

        assert (refused.status, (await client.put("/api/notes", {"text": "a"})).status) == (422, 201)
