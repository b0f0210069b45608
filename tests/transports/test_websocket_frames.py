"""Frames of a client: which are understood, and what is said of those that are none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.transports.websocket.frames import Malformed, read_frame
from tests.transports.websocket_stage import Stage, on_stage

NONE: dict[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "no json": b"hello",
    "half": b'{"id":1,"ping":tr',
    "a number": b"1",
    "a list": b"[]",
    "many lists": b"[" * 60_000,
    "deep": b'{"id":' + b"[" * 20_000 + b"]" * 20_000 + b',"ping":true}',
    "deep beside the id": b'{"id":7,"ping":true,"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "two objects": b'{"id":1,"ping":true}{"id":2,"ping":true}',
    "no id": b'{"ping":true}',
    "null": b'{"id":null,"ping":true}',
    "a bool": b'{"id":true,"ping":true}',
    "a fraction": b'{"id":1.5,"ping":true}',
    "a float": b'{"id":1.0,"ping":true}',
    "an empty id": b'{"id":"","ping":true}',
    "a long id": b'{"id":"' + b"x" * 65 + b'","ping":true}',
    "a huge id": b'{"id":9007199254740993,"ping":true}',
    "an id of many digits": b'{"id":' + b"9" * 5000 + b',"ping":true}',
    "an id that is a list": b'{"id":[1],"ping":true}',
    "half a surrogate": b'{"id":"\\ud800","ping":true}',
    "a control character": b'{"id":"a\nb","ping":true}',
}
NAMED: dict[str, bytes] = {
    "no verb": b'{"id":7}',
    "a byte order mark": b'\xef\xbb\xbf{"id":7,"ping":true}',
    "two verbs": b'{"id":7,"ping":true,"action":"word:get"}',
    "another verb": b'{"id":7,"publish":"news"}',
    "ping false": b'{"id":7,"ping":false}',
    "ping 1": b'{"id":7,"ping":1}',
    "an action that is none": b'{"id":7,"action":5}',
    "a topic that is none": b'{"id":7,"subscribe":["news"]}',
    "a position that is none": b'{"id":7,"subscribe":"news","since":5}',
    "half a position": b'{"id":7,"subscribe":"news","since":{"epoch":"a"}}',
    "a message type": b'{"id":7,"messageType":"action","action":"word:get"}',
    "another protocol": b'{"messageType":"action","id":7,"params":{"action":"status"}}',
    "half a surrogate beside it": b'{"id":7,"ping":true,"x":"\\ud800"}',
    "key 1": b'{"id":7,"action":"word:get","key":1}',
}


IDS = (0, -1, -(2**53), 2**53, "x", "x" * 64, "\u00e9", "0", " ", "a\tb", "\U0001f600")


@pytest.fixture
async def patient(tmp_path: Path, shared: tuple[str, str]) -> AsyncIterator[Stage]:
    """The surface, which takes any number of bad frames."""
    async with on_stage(tmp_path, shared, websocket={"malformed": 1000, "burst": 1000}) as live:
        yield live


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_frame_is_malformed(name: str) -> None:
    """Without an id, as none can be read."""
    with pytest.raises(Malformed) as caught:
        read_frame(NONE[name])

    assert caught.value.id is None


@pytest.mark.parametrize("name", NAMED)
def test_what_is_half_a_frame_is_malformed_under_its_id(name: str) -> None:
    """Its id can be read, so that the client knows which of its frames it was."""
    with pytest.raises(Malformed) as caught:
        read_frame(NAMED[name])

    assert caught.value.id == 7


async def test_a_socket_goes_on_after_every_bad_frame(patient: Stage) -> None:
    """Each is answered with an error that shows the right form, and repeats nothing of it."""
    async with patient.talker() as talker:
        for frame_id, frames in ((None, NONE), (7, NAMED)):
            for name, data in frames.items():
                await talker.connection.send(data, text=True)
                error = (await talker.answer(frame_id))["error"]

                assert error["type"] == "MALFORMED", name
                assert '{"id": 1, "action": "message:create"' in error["message"], name
        assert "result" in await talker.ask(ping=True)


async def test_every_integer_and_short_text_is_an_id(live_anyhow: Stage) -> None:
    """It comes back as it was."""
    async with live_anyhow.talker() as talker:
        for frame_id in IDS:
            assert (await talker.ask(id=frame_id, ping=True))["id"] == frame_id


async def test_names_that_nobody_knows_are_passed_over(live_anyhow: Stage) -> None:
    """A call with more in its frame than is read here is still that call, with its key."""
    async with live_anyhow.talker() as talker:
        answer = await talker.ask(id=3, trace={"a": [1]}, action="word:view", params={"wordId": "b"}, strict=False)

    assert answer == {"id": 3, "result": {"text": "one", "id": "b", "version": 1}}


async def test_of_a_name_that_comes_twice_the_last_counts(live: Stage) -> None:
    """As in every JSON that is read here."""
    async with live.talker() as talker:
        await talker.send(
            '{"id":1,"id":2,"action":"word:none","action":"word:view","params":{"wordId":"a","wordId":"b"}}'
        )

        assert (await talker.answer(2))["result"]["id"] == "b"


ODD: tuple[bytes, ...] = (
    b'{"name":"\\ud800"}',
    b'{"name":' + b"[" * 70 + b"]" * 70 + b"}",
    b'{"name":"a","number":' + b"9" * 5000 + b"}",
    b'{"name":"a","ratio":1e999}',
    b'{"name":"a\\u0000b"}',
    b'{"name":"a","numbers":[' + b"1," * 2000 + b"1]}",
    b'{"name":"' + b"x" * 65_000 + b'"}',
)


async def test_odd_params_are_refused_as_in_a_body(patient: Stage) -> None:
    """With the same error, which is that of the call and not of the frame."""
    async with patient.talker() as talker:
        for at, params in enumerate(ODD):
            over_http = await patient.ask("POST", "/api/strict", raw=params, content_type="application/json")
            await talker.send(f'{{"id":{at},"action":"read:strict","params":{params.decode()}}}')
            error = (await talker.answer(at))["error"]

            assert error["type"] == over_http.type, params[:40]
            assert error["message"] == over_http.error["message"] or error["type"] == "MALFORMED"
            assert error.get("fields") == over_http.error.get("fields")


async def test_the_tenth_malformed_frame_closes(live_anyhow: Stage) -> None:
    """With 4500, after its error."""
    async with live_anyhow.talker() as talker:
        for _ in range(9):
            await talker.send("{")
        assert "result" in await talker.ask(ping=True)
        await talker.send("{")

        assert await talker.closed() == 4500
        assert [frame["error"]["type"] for frame in talker.kept] == ["MALFORMED"] * 10
