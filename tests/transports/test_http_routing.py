"""Routing: which action answers at a path, and what is said where none does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from antiphon import SetupError
from antiphon.transports.http.router import Router
from tests.transports.serving import Served, serving


async def test_an_action_answers_under_the_prefix(served_anyhow: Served) -> None:
    """Actions live under /api, on every server."""
    answer = await served_anyhow.get("/api/word")

    assert (answer.status, answer.json) == (200, {"text": "hello", "id": "1", "version": 1})


@pytest.mark.parametrize("path", ["/word", "/apix/word", "/API/word", "/api/Word", "/", "/api", "/apiword"])
async def test_the_prefix_and_the_path_are_compared_exactly(served: Served, path: str) -> None:
    """Anything but the exact path, in its exact case, is 404."""
    answer = await served.get(path)

    assert (answer.status, answer.type) == (404, "NOT_FOUND")


async def test_outside_puts_a_route_outside_the_prefix(served: Served) -> None:
    """`outside=True` answers without /api, and not with it."""
    assert (await served.get("/outside")).status == 200
    assert (await served.get("/api/outside")).status == 404


async def test_a_fixed_path_wins_over_a_template(served: Served) -> None:
    """/word/fast is its own action, although /word/{word_id} would fit."""
    assert (await served.get("/api/word/fast")).json["text"] == "fast"
    assert (await served.get("/api/word/slow")).json == {"text": "one", "id": "slow", "version": 1}


async def test_fixed_segments_come_before_places(served: Served) -> None:
    """/word/{id}/letters wins over /word/{id}/{part}, whichever was declared first."""
    assert (await served.get("/api/word/7/letters")).json == {"text": "letters", "id": "7", "version": 1}
    assert (await served.get("/api/word/7/vowels")).json == {"text": "vowels", "id": "7", "version": 1}


async def test_a_fixed_path_that_leads_nowhere_falls_back_to_a_place(served: Served) -> None:
    """/word/fast/x begins like a fixed path, and is still /word/{word_id}/{part}."""
    assert (await served.get("/api/word/fast/x")).json == {"text": "x", "id": "fast", "version": 1}


async def test_regular_expressions_come_last_and_in_their_order(served: Served) -> None:
    """The first expression that matches the whole path answers, and its named groups are inputs."""
    assert (await served.get("/api/year/2026-spring")).json["text"] == "2026 spring"
    assert (await served.get("/api/year/26-spring")).json["text"] == "any 26-spring"


async def test_an_encoded_slash_stays_inside_its_segment(served: Served) -> None:
    """The path is split first and decoded after: a place takes `a/b` from `a%2Fb`."""
    assert (await served.get("/api/word/a%2Fb")).json["id"] == "a/b"


async def test_an_encoded_slash_is_no_slash_to_a_regular_expression_either(served: Served) -> None:
    """`[^/]+` takes an encoded slash, as it is a part of its segment, and gives it decoded."""
    assert (await served.get("/api/year/2026-a%2Fb")).json["text"] == "2026 a/b"
    assert (await served.get("/api/year/2026-a/b")).json["text"] == "any 2026-a/b"


async def test_segments_are_decoded_as_utf_8(served: Served) -> None:
    """What a client encodes is what the action gets."""
    assert (await served.get("/api/word/gr%C3%BC%C3%9F%20dich")).json["id"] == "grüß dich"


@pytest.mark.parametrize(
    "path",
    ["/api/word/%", "/api/word/%zz", "/api/word/%ff", "/api/word/%00", "/api/word/.", "/api/../word", "/api/%2e%2e/x"],
)
async def test_an_unreadable_path_is_400(served_anyhow: Served, path: str) -> None:
    """Bad percent-encoding, bad UTF-8, NUL and dot segments are refused before anything is looked up."""
    answer = await served_anyhow.get(path)

    assert (answer.status, answer.type) == (400, "MALFORMED")


async def test_too_many_segments_are_400(tmp_path: Path) -> None:
    """`http.path_segments` bounds a path."""
    async with serving(tmp_path, {"path_segments": 4}) as served:
        assert (await served.get("/api/1/2/3")).status == 404
        assert (await served.get("/api/1/2/3/4")).status == 400


@pytest.mark.parametrize("path", ["/api/word/", "/api/word/7/letters/", "/healthz/"])
async def test_a_slash_at_the_end_is_another_path_and_the_answer_names_the_right_one(served: Served, path: str) -> None:
    """404, with the path that exists."""
    answer = await served.get(path)

    assert answer.status == 404
    assert "exists, without the slash at its end" in answer.error["message"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "TRACE", "FOO"])
async def test_another_method_on_a_known_path_is_405_with_allow(served: Served, method: str) -> None:
    """The path is known and the method is not; `Allow` says which are."""
    async with served.connect() as connection:
        await connection.send(f"{method} /api/word HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        answer = await connection.answer(method)
    if method == "FOO":
        assert answer.status == 400
        return
    assert answer.status == 405
    assert answer.header("allow") == "GET, HEAD, OPTIONS, PUT"


async def test_the_first_path_that_matches_decides_also_about_the_method(served: Served) -> None:
    """DELETE /word/fast is 405: the fixed path matches, and the template that would take it is not asked."""
    answer = await served.ask("DELETE", "/api/word/fast")

    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


async def test_an_unknown_path_is_404_for_every_method(served: Served) -> None:
    """A path that nobody knows has no methods."""
    for method in ("GET", "POST", "OPTIONS", "DELETE", "TRACE"):
        assert (await served.ask(method, "/api/nothing")).status == 404


async def test_head_has_the_headers_of_get_and_no_body(served_anyhow: Served) -> None:
    """HEAD is answered wherever GET is."""
    whole = await served_anyhow.get("/api/tag?size=2000")
    head = await served_anyhow.ask("HEAD", "/api/tag?size=2000")

    def told(answer: object) -> list[tuple[str, str]]:
        assert isinstance(answer, type(head.raw))
        return [pair for pair in answer.headers if pair[0] not in ("x-request-id", "date")]

    assert head.status == 200
    assert head.body == b""
    assert told(head.raw) == told(whole.raw)


async def test_head_is_answered_on_pages_as_well(served: Served) -> None:
    """/healthz is no action and has its HEAD all the same."""
    assert (await served.ask("HEAD", "/healthz")).status == 200


async def test_options_on_a_known_path_is_204_with_allow(served_anyhow: Served) -> None:
    """No session and no cookie are needed, even where the action is not open to everybody."""
    answer = await served_anyhow.ask("OPTIONS", "/api/secret")

    assert (answer.status, answer.header("allow"), answer.body) == (204, "GET, HEAD, OPTIONS, PUT", b"")
    assert answer.header("set-cookie") is None


def test_two_routes_of_one_method_and_shape_stop_the_start() -> None:
    """Whatever their places are called, they could not be told apart."""
    router = Router[str](64)
    router.add("GET", "/api", "/user/{user_id}", "the first")

    with pytest.raises(SetupError, match=r"Two routes answer GET /api/user/\{user_id\}: the first and the second"):
        router.add("GET", "/api", "/user/{id}", "the second")


def test_one_shape_may_have_an_action_for_each_method() -> None:
    """Each method has its own names for the places."""
    router = Router[str](64)
    router.add("GET", "/api", "/user/{user_id}", "view")
    router.add("DELETE", "/api", "/user/{id}", "destroy")

    assert router.find("GET", b"/api/user/7") == ("view", {"user_id": "7"})
    assert router.find("DELETE", b"/api/user/7") == ("destroy", {"id": "7"})


def test_the_same_expression_twice_stops_the_start() -> None:
    """Nor could two equal regular expressions."""
    router = Router[str](64)
    router.add("GET", "/api", re.compile("/a+"), "the first")

    with pytest.raises(SetupError, match="Two routes"):
        router.add("GET", "/api", re.compile("/a+"), "the second")
