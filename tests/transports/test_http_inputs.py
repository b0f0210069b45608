"""Inputs: where they are read from, as what, and what is said of those that do not fit."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.transports.serving import Served, form, serving

FORM = "application/x-www-form-urlencoded"


async def read(served: Served, path: str, body: object = None) -> dict[str, object]:
    """What /read took from a request."""
    answer = await served.ask("POST", path, body)
    assert answer.status == 200, answer.body
    return answer.json["values"]


def at_fault(error: dict[str, list[dict[str, str]]]) -> list[str]:
    """The names of the inputs at fault."""
    return [fault["name"] for fault in error["fields"]]


async def test_path_wins_over_body_and_body_over_query(served_anyhow: Served) -> None:
    """An input found in two sources is taken from the first of path, body, query."""
    values = await read(
        served_anyhow, "/api/read/path?name=query&number=1&longName=query", {"name": "body", "number": 2}
    )

    assert (values["name"], values["number"], values["longName"]) == ("path", 2, "query")


async def test_sources_are_never_merged(served: Served) -> None:
    """A list in the body is not made longer by the query."""
    values = await read(served, "/api/read/x?tags=c&tags=d", {"tags": ["a"]})

    assert values["tags"] == ["a"]


async def test_a_source_that_does_not_count_is_not_checked(served: Served) -> None:
    """What the query says of an input that the body gives is nobody's fault."""
    assert (await read(served, "/api/read/x?number=many", {"number": 2}))["number"] == 2


async def test_strings_are_read_as_the_declared_type(served: Served) -> None:
    """`5` as 5, `true` and `1` as true, a time with its offset; a plus is a space and %2B a plus."""
    values = await read(
        served, "/api/read/x?number=5&flag=1&ratio=0.5&longName=a+b%2Bc&when=2026-01-02T03:04:05Z&mail=ADA@Example.org"
    )

    assert (values["number"], values["flag"], values["ratio"], values["longName"]) == (5, True, 0.5, "a b+c")
    assert (values["when"], values["mail"]) == ("2026-01-02T03:04:05Z", "ada@example.org")


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("false", False), ("1", True), ("0", False)])
async def test_booleans_have_four_words(served: Served, text: str, flag: bool) -> None:
    """true, false, 1 and 0."""
    assert (await served.get(f"/api/query?flag={text}")).json["values"]["flag"] is flag


async def test_an_empty_string_is_not_given_unless_the_input_is_text(served: Served) -> None:
    """`number=` leaves the default; `text=` is an empty text."""
    values = (await served.get("/api/query?number=&to=&text=")).json["values"]

    assert (values["number"], values["to"], values["text"]) == (0, 7, "")


async def test_json_values_never_change_type(served: Served) -> None:
    """`"5"` is not 5, and 1 is not true."""
    answer = await served.ask("POST", "/api/read/x", {"number": "5", "flag": 1, "longName": 7})

    assert answer.status == 422
    assert at_fault(answer.error) == ["number", "flag", "longName"]


async def test_a_list_is_a_repeated_name_or_a_json_array(served: Served) -> None:
    """Both give the same; one value in a query is a list of one."""
    assert (await read(served, "/api/read/x?tags=a&tags=b&numbers=1"))["tags"] == ["a", "b"]
    assert (await read(served, "/api/read/x", {"tags": ["a", "b"]}))["tags"] == ["a", "b"]
    assert (await read(served, "/api/read/x?numbers=1"))["numbers"] == [1]


@pytest.mark.parametrize("name", ["number", "longName"])
async def test_a_single_value_repeated_in_one_source_is_422(served: Served, name: str) -> None:
    """Which of the two was meant cannot be known."""
    answer = await served.ask("POST", f"/api/read/x?{name}=1&{name}=2")

    assert answer.status == 422
    assert answer.error["fields"] == [{"name": name, "message": "is given more than once"}]


async def test_of_duplicate_json_names_the_last_one_counts(served: Served) -> None:
    """As in every JSON reader that clients are likely to know."""
    answer = await served.ask("POST", "/api/read/x", raw=b'{"number": 1, "number": 2}', content_type="application/json")

    assert answer.json["values"]["number"] == 2


async def test_brackets_and_dots_in_a_query_are_plain_names(served: Served) -> None:
    """`tags[]` and `word.text` are names that nobody declared: they are dropped."""
    values = await read(served, "/api/read/x?tags[]=a&word.text=b")

    assert (values["tags"], values["word"]) == (None, None)


async def test_unknown_names_never_reach_the_action(served: Served) -> None:
    """They are dropped without a word, in the body as in the query."""
    assert (await read(served, "/api/read/x?nobody=1", {"nothing": {"deep": 1}}))["name"] == "x"


async def test_names_are_camel_case_on_the_wire(served: Served) -> None:
    """`long_name` in Python is `longName`; the Python name is unknown."""
    assert (await read(served, "/api/read/x", {"long_name": "a"}))["longName"] == "-"
    assert (await read(served, "/api/read/x", {"longName": "a"}))["longName"] == "a"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "application/vnd.x+json"])
async def test_every_json_type_is_read(served: Served, kind: str) -> None:
    """application/json and application/*+json, with any parameters."""
    answer = await served.ask("POST", "/api/read/x", raw=b'{"number": 3}', content_type=kind)

    assert answer.json["values"]["number"] == 3


async def test_json_in_another_charset_is_415(served: Served) -> None:
    """JSON is UTF-8."""
    answer = await served.ask("POST", "/api/read/x", raw=b"{}", content_type="application/json; charset=latin-1")

    assert (answer.status, answer.type) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_an_empty_body_is_an_empty_object(served_anyhow: Served) -> None:
    """With a length of zero, and chunked."""
    assert (await served_anyhow.ask("POST", "/api/read/x", raw=b"", content_type="application/json")).status == 200
    async with served_anyhow.connect() as connection:
        await connection.send(
            b"POST /api/read/x HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert (await connection.answer("POST")).status == 200


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"5", b"null"])
async def test_a_body_that_is_no_object_is_422(served: Served, body: bytes) -> None:
    """A list, a string or a number as the body names no inputs."""
    answer = await served.ask("POST", "/api/read/x", raw=body, content_type="application/json")

    assert (answer.status, answer.type) == (422, "INVALID_INPUT")


@pytest.mark.parametrize("body", [b"{", b"{]", b'{"a" 1}', b"\xff\xfe", b'{"number": 1}}', b'{"longName": "\xff"}'])
async def test_a_body_that_is_no_json_is_400(served: Served, body: bytes) -> None:
    """Unreadable, as opposed to read and not fitting."""
    answer = await served.ask("POST", "/api/read/x", raw=body, content_type="application/json")

    assert (answer.status, answer.type) == (400, "MALFORMED")


async def test_a_form_is_read_as_strings(served: Served) -> None:
    """As a query would be."""
    answer = await served.ask(
        "POST", "/api/read/x?number=1", raw=b"number=5&tags=a+b&tags=c&flag=true", content_type=FORM
    )

    values = answer.json["values"]
    assert (values["number"], values["tags"], values["flag"]) == (5, ["a b", "c"], True)


async def test_a_multipart_form_without_files_is_read_as_strings(served: Served) -> None:
    """Its fields count like those of any form."""
    kind, body = form(('name="number"', b"5"), ('name="tags"', b"a"), ('name="tags"', "ü".encode()))
    answer = await served.ask("POST", "/api/read/x", raw=body, content_type=kind)

    assert (answer.json["values"]["number"], answer.json["values"]["tags"]) == (5, ["a", "ü"])


async def test_trailers_are_dropped(served: Served) -> None:
    """What comes after a body is no header: it was not there when the head was checked."""
    async with served.connect() as connection:
        await connection.send(
            b"POST /api/read/x HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nSec-Fetch-Site: cross-site\r\nHost: other\r\n\r\n"
        )
        assert (await connection.answer("POST")).status == 200


@pytest.mark.parametrize(("version", "coding"), [("1.1", "gzip, chunked"), ("1.0", "chunked")])
async def test_a_body_in_another_transfer_coding_is_400_and_close(served: Served, version: str, coding: str) -> None:
    """Two servers could find its end in two places."""
    async with served.connect() as connection:
        await connection.send(
            f"POST /api/read/x HTTP/{version}\r\nHost: test\r\nContent-Type: application/json\r\n"
            f"Transfer-Encoding: {coding}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n".encode()
        )
        answer = await connection.answer("POST")
        assert await connection.rest() == b""

    assert (answer.status, answer.header("connection")) == (400, "close")


async def test_any_other_body_is_415_with_accept(served_anyhow: Served) -> None:
    """The answer says which types are read."""
    answer = await served_anyhow.ask("POST", "/api/read/x", raw=b"hello", content_type="text/plain")

    assert (answer.status, answer.type) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.header("accept") == "application/json, application/x-www-form-urlencoded, multipart/form-data"


async def test_a_body_without_a_type_is_415(served: Served) -> None:
    """JSON is read only under a JSON content type: no page of another site can send that without asking first."""
    assert (await served.ask("POST", "/api/read/x", raw=b"{}")).status == 415


async def test_an_encoded_body_is_415_with_accept_encoding(served: Served) -> None:
    """A compressed request is not inflated."""
    answer = await served.ask(
        "POST", "/api/read/x", raw=gzip.compress(b"{}"), content_type="application/json", content_encoding="gzip"
    )

    assert (answer.status, answer.header("accept-encoding")) == (415, "identity")


async def test_a_secret_is_read_from_the_body_only(served: Served) -> None:
    """In a query it is nobody's, as if it had not been sent."""
    assert (await read(served, "/api/read/x?password=a"))["password"] is None
    assert (await read(served, "/api/read/x", {"password": "a"}))["password"] == "given"
    sent = await served.ask("POST", "/api/read/x", raw=b"password=a", content_type=FORM)
    assert sent.json["values"]["password"] == "given"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_body_on_a_get_is_thrown_away(served_anyhow: Served, method: str) -> None:
    """The query counts, and the connection goes on with the next request."""
    async with served_anyhow.connect() as connection:
        body = b'{"number": 5}'
        first = await connection.request(method, "/api/query?number=1", {"Content-Type": "application/json"}, body)
        second = await connection.get("/api/query?number=2")

    assert first.status == 200
    assert b'"number":5' not in first.body
    assert b'"number":2' in second.body


async def test_every_field_at_fault_is_named_in_one_answer(served: Served) -> None:
    """With all that is wrong, from all sources, and without what was sent."""
    answer = await served.ask("POST", "/api/strict?mail=not-a-mail", {"name": "x", "number": 0})

    assert answer.status == 422
    assert answer.error["message"] == "3 inputs do not fit."
    assert at_fault(answer.error) == ["name", "number", "mail"]
    assert b"not-a-mail" not in answer.body


async def test_what_is_missing_is_named_with_the_rest(served: Served) -> None:
    """A missing input is a fault like another."""
    answer = await served.ask("POST", "/api/strict", {"number": "1"})

    assert sorted(at_fault(answer.error)) == ["mail", "name", "number"]


async def test_no_answer_repeats_a_value(served: Served) -> None:
    """Neither of the path, nor of the query, nor of the body."""
    answer = await served.ask("POST", "/api/read/SENTINEL?number=SENTINEL", {"mail": "SENTINEL", "when": "SENTINEL"})

    assert answer.status == 422
    assert b"SENTINEL" not in answer.body


async def test_a_time_without_an_offset_is_refused(served: Served) -> None:
    """It could mean any of a day's moments."""
    answer = await served.ask("POST", "/api/timed", {"at": "2026-01-02T03:04:05"})

    assert answer.status == 422
    assert at_fault(answer.error) == ["at"]


@pytest.mark.parametrize("path", ["/api/query?text=%zz", "/api/query?text=%ff", "/api/query?text=%"])
async def test_an_unreadable_query_is_400(served: Served, path: str) -> None:
    """Bad percent-encoding and bad UTF-8."""
    assert (await served.get(path)).type == "MALFORMED"


async def test_a_nul_in_an_input_is_422(served: Served) -> None:
    """No store keeps it, and no honest client sends it."""
    assert at_fault((await served.get("/api/query?text=a%00b")).error) == ["text"]
    answer = await served.ask("POST", "/api/read/x", raw=b'{"longName": "a\\u0000b"}', content_type="application/json")
    assert at_fault(answer.error) == ["longName"]


async def test_json_is_bounded_in_depth(tmp_path: Path) -> None:
    """Brackets inside texts do not count, and those side by side do not add up."""
    async with serving(tmp_path, {"json_depth": 4}) as served:

        async def status(body: bytes) -> int:
            return (await served.ask("POST", "/api/read/x", raw=body, content_type="application/json")).status

        assert await status(b'{"a": [[[1]]]}') == 200
        assert await status(b'{"a": [[[[1]]]]}') == 400
        assert await status(b'{"a": "[[[[[[[[", "b": [[],[],[],[],[]], "c": "\\"[[[[["}') == 200


async def test_a_text_without_an_end_costs_no_time(served: Served) -> None:
    """A megabyte of escaped quotes among brackets is refused as fast as any other body."""
    body = b'{"a": [' + b"[]," * 100 + b'"' + b'\\"' * 400_000
    async with served.connect() as connection:
        # Ten seconds is all that the connection waits; going back over the text at each quote would take hours.
        answer = await connection.request("POST", "/api/read/x", {"Content-Type": "application/json"}, body)

    assert answer.status == 400


async def test_values_of_one_name_are_bounded(tmp_path: Path) -> None:
    """Over `http.values` of one name the answer is 422, in the query and in a form."""
    async with serving(tmp_path, {"values": 3}) as served:
        assert (await served.get("/api/query?tags=1&tags=1&tags=1")).status == 200
        assert at_fault((await served.get("/api/query?" + "tags=1&" * 4)).error) == ["tags"]
        sent = await served.ask("POST", "/api/read/x", raw=b"tags=1&" * 4, content_type=FORM)
        assert at_fault(sent.error) == ["tags"]


async def test_nothing_is_read_of_an_action_without_inputs(served_anyhow: Served) -> None:
    """A body for it is still read to its end, so that the connection can go on."""
    async with served_anyhow.connect() as connection:
        answer = await connection.request("POST", "/api/session", {"Content-Type": "application/json"}, b'{"a": 1}')
        assert answer.status == 204
        assert (await connection.get("/api/word")).status == 200
