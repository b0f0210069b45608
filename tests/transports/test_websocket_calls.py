"""Calls over a socket: each under its id, side by side, in the same order around them and with the same errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from antiphon import Context
from antiphon.core.action import Call
from antiphon.core.errors import CALL_ERRORS, Defect, NotFound
from antiphon.core.middleware import Next
from antiphon.transports.websocket.errors import CLOSE_CODES
from tests.transports.surface import RAISED
from tests.transports.websocket_stage import Server, Stage, on_stage

# Answers


async def test_a_call_is_answered_under_its_id(live_anyhow: Stage) -> None:
    """With the result as JSON, and nothing else."""
    async with live_anyhow.talker() as talker:
        answer = await talker.ask(id=7, action="word:view", params={"wordId": "b"})

    assert answer == {"id": 7, "result": {"text": "one", "id": "b", "version": 1}}


async def test_a_call_that_never_waits_is_answered(live_anyhow: Stage) -> None:
    """Here and now."""
    async with live_anyhow.talker() as talker:
        assert (await talker.result("word:fast"))["text"] == "fast"


async def test_a_call_without_a_result_is_answered_with_null(live: Stage) -> None:
    """So that the client knows that it is done."""
    async with live.talker() as talker:
        assert await talker.ask(id="a", action="word:destroy", params={"wordId": "b"}) == {"id": "a", "result": None}


async def test_inputs_need_no_params_where_there_are_none(live: Stage) -> None:
    """The frame is an id and an action."""
    async with live.talker() as talker:
        assert (await talker.ask(action="word:get"))["result"]["text"] == "hello"


async def test_inputs_are_typed(live_anyhow: Stage) -> None:
    """As in a JSON body: what is a number stays one, and a secret is never shown."""
    given: dict[str, Any] = {
        "name": "ada", "number": 7, "flag": True, "ratio": 0.5, "mail": "a@b.example", "tags": ["a", "b"],
        "numbers": [1, 2], "when": "2026-01-02T03:04:05Z", "word": {"text": "w"}, "longName": "long", "password": "p",
    }  # fmt: skip

    async with live_anyhow.talker() as talker:
        values = (await talker.result("read:inputs", **given))["values"]

    assert values == {**given, "password": "given", "word": {"text": "w", "id": "1", "version": 1}}


@pytest.mark.parametrize("params", [None, 1, "x", [], [1], True])
async def test_params_are_an_object(live: Stage, params: Any) -> None:
    """Anything else is told apart from bad inputs."""
    async with live.talker() as talker:
        answer = await talker.ask(action="read:inputs", params=params)

    assert answer["error"]["type"] in ("MALFORMED", "INVALID_INPUT")


async def test_params_are_bounded_in_depth(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Deeper than `websocket.json_depth` is told apart from bad inputs, and the socket goes on."""
    async with on_stage(tmp_path, shared, websocket={"json_depth": 3}) as live, live.talker() as talker:
        assert "result" in await talker.ask(action="word:get", params={"a": [[1]]})
        assert await talker.refusal(action="word:get", params={"a": [[[1]]]}) == "MALFORMED"
        assert "result" in await talker.ask(ping=True)


async def test_bad_inputs_name_every_field(live_anyhow: Stage) -> None:
    """As on every transport, with the id of the request and the time."""
    async with live_anyhow.talker() as talker:
        error = (await talker.call("read:strict", name="x", number=0, mail="nobody"))["error"]

    assert (error["type"], error["message"]) == ("INVALID_INPUT", "3 inputs do not fit.")
    assert [fault["name"] for fault in error["fields"]] == ["name", "number", "mail"]
    assert len(error["requestId"]) == 36
    assert error["timestamp"].endswith("Z")


async def test_an_action_that_is_not_there_is_not_found(live_anyhow: Stage) -> None:
    """Whatever it is called; the socket goes on."""
    async with live_anyhow.talker() as talker:
        for name in ("word:none", "", "\0", "x" * 10_000, "__class__", "word:get "):
            assert await talker.refusal(action=name) == "NOT_FOUND"
        assert await talker.result("word:get")


@pytest.mark.parametrize("name", ["file:get", "file:put", "file:put-many", "file:put-secretly", "stream:file"])
async def test_files_do_not_go_over_sockets(live: Stage, name: str) -> None:
    """Uploads and downloads are not there; whoever may call them or not."""
    async with live.talker() as talker:
        assert await talker.refusal(action=name) == "NOT_FOUND"


# Errors


def test_every_error_has_a_close_code() -> None:
    """The table is whole, and no two errors close alike."""
    assert CLOSE_CODES.keys() == {*CALL_ERRORS, Defect}
    assert {kind.type: code for kind, code in CLOSE_CODES.items()} == {
        "INVALID_INPUT": 4522,
        "NOT_SIGNED_IN": 4501,
        "FORBIDDEN": 4503,
        "NOT_FOUND": 4504,
        "CONFLICT": 4509,
        "TOO_MANY_CALLS": 4029,
        "TOO_LARGE": 1009,
        "TIMED_OUT": 4004,
        "UNAVAILABLE": 1013,
        "DEFECT": 1011,
    }


@pytest.mark.parametrize("kind", RAISED)
async def test_every_error_is_a_frame(live: Stage, kind: str) -> None:
    """The same object as over HTTP, and the socket goes on."""
    over_http = (await live.get(f"/api/error/{kind}")).error

    async with live.talker() as talker:
        error = (await talker.call("error:raise", kind=kind))["error"]
        assert await talker.result("word:get")

    for each in (error, over_http):
        assert each.pop("requestId")
        assert each.pop("timestamp")
    assert error == over_http


@pytest.mark.parametrize(
    ("name", "params"),
    [("error:raise", {"kind": "unforeseen"}), ("error:raise", {"kind": "promise"}), ("error:instant", {})],
)
async def test_a_defect_shows_nothing(
    tmp_path: Path,
    shared: tuple[str, str],
    server: Server,
    capfd: pytest.CaptureFixture[str],
    name: str,
    params: dict[str, Any],
) -> None:
    """The client gets an id, and the log what happened under that id."""
    async with on_stage(tmp_path, shared, server) as live, live.talker() as talker:
        error = (await talker.ask(action=name, params=params))["error"]

    assert error.keys() == {"type", "message", "requestId", "timestamp"}
    assert error["type"] == "DEFECT"
    assert "SELECT" not in error["message"]
    assert error["requestId"] in capfd.readouterr().err


async def test_a_call_that_takes_too_long_is_ended(live_anyhow: Stage) -> None:
    """By the time that the action says."""
    async with live_anyhow.talker() as talker:
        assert await talker.refusal(action="slow:limited") == "TIMED_OUT"


async def test_the_time_of_all_calls_holds_here_too(tmp_path: Path, shared: tuple[str, str]) -> None:
    """As `http.call_time` says."""
    async with on_stage(tmp_path, shared, http={"call_time": "1s"}) as live, live.talker() as talker:
        assert await talker.refusal(action="slow:put") == "TIMED_OUT"


async def test_who_may_not_is_refused_before_the_inputs_are_read(live_anyhow: Stage) -> None:
    """Nobody learns anything from bad inputs."""
    async with live_anyhow.talker() as talker, live_anyhow.talker(authorization="Bearer eve") as eve:
        assert await talker.refusal(action="secret:set", params={"text": "x"}) == "NOT_SIGNED_IN"
        assert await eve.refusal(action="secret:set", params={"text": "x"}) == "FORBIDDEN"
        assert await eve.refusal(action="secret:set", params=[]) == "FORBIDDEN"
    async with live_anyhow.ada() as ada:
        assert await ada.refusal(action="secret:set", params={"text": "x"}) == "INVALID_INPUT"
        assert (await ada.result("secret:set", text="fine"))["text"] == "fine"


async def test_layers_stand_around_a_call(tmp_path: Path, shared: tuple[str, str]) -> None:
    """After the rule and the inputs; they see the inputs and the result, and may answer themselves."""
    seen: list[Any] = []

    async def watching(call: Call[Any], ctx: Context, after: Next) -> Any:
        seen.append((call.action.name, ctx.connection.type))
        if call.action.name == "word:get":
            raise NotFound("The layer knows no word.")
        return await after(call, ctx)

    async with on_stage(tmp_path, shared, middleware=[watching]) as live, live.ada() as ada:
        assert await ada.refusal(action="word:get") == "NOT_FOUND"
        assert await ada.refusal(action="secret:set", params={"text": "x"}) == "INVALID_INPUT"
        assert await ada.result("secret:see")

    assert seen == [("word:get", "websocket"), ("secret:see", "websocket")]


async def test_calls_are_counted(live: Stage) -> None:
    """By action, transport and outcome, as everywhere."""
    async with live.talker() as talker:
        await talker.result("word:get")
        await talker.refusal(action="slow:limited")

    text = (await live.get("/metrics")).body.decode()
    assert 'antiphon_calls_total{action="word:get",outcome="OK",transport="websocket"} 1.0' in text
    assert 'antiphon_calls_total{action="slow:limited",outcome="TIMED_OUT",transport="websocket"} 1.0' in text


async def test_a_call_knows_its_connection(live: Stage) -> None:
    """Where it comes from, and the trace that the handshake is a part of."""
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    async with live.talker(traceparent=parent) as talker:
        assert (await talker.result("peer:get"))["text"] == "127.0.0.1"
        assert (await talker.result("trace:get"))["text"].split("-")[1] == parent.split("-")[1]


# Other verbs


async def test_a_ping_tells_the_time(live_anyhow: Stage) -> None:
    """In UTC."""
    async with live_anyhow.talker() as talker:
        assert (await talker.ask(ping=True))["result"]["now"].endswith("Z")


async def test_a_token_that_is_of_no_use_changes_nothing(live: Stage) -> None:
    """The frame is refused, and the socket goes on; a good one makes it whoever the token stands for."""
    async with live.ada() as talker:
        refused = await talker.ask(token="")
        taken = await talker.ask(token="ben")

    assert refused["error"]["type"] == "NOT_SIGNED_IN"
    assert taken["result"]["user"]["id"] == "ben"


async def test_calls_of_one_frame_each_may_come_in_one_packet(live: Stage, server: Server) -> None:
    """However the bytes are cut."""
    async with live.talker() as talker:
        ids = [await talker.say(action="word:view", params={"wordId": str(n)}) for n in range(30)]

        assert [(await talker.answer(each))["result"]["id"] for each in ids] == [str(n) for n in range(30)]
