"""Answers: what a result becomes, when a client has it already, compressed, or as a file."""

from __future__ import annotations

import gzip
import json
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.transports.serving import Served, serving


async def test_a_result_is_the_body_itself(served_anyhow: Served) -> None:
    """200, JSON, no envelope; with id, length and date, and without the server's name."""
    answer = await served_anyhow.get("/api/word")

    assert (answer.status, answer.json) == (200, {"text": "hello", "id": "1", "version": 1})
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(answer.body))
    assert parsedate_to_datetime(answer.header("date") or "")
    assert answer.header("x-request-id")
    assert answer.header("server") is None
    assert answer.header("cache-control") == "no-store"
    assert answer.header("vary") == "origin"


async def test_no_result_is_204_without_a_body(served_anyhow: Served) -> None:
    """Neither a body nor what would describe one."""
    answer = await served_anyhow.ask("DELETE", "/api/word/7")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("content-type") is None
    assert answer.header("content-length") is None
    assert answer.header("transfer-encoding") is None
    assert answer.header("x-request-id")


async def test_what_creates_answers_201_with_location(served_anyhow: Served) -> None:
    """The Location is filled from the result, each value as one encoded segment."""
    answer = await served_anyhow.ask("PUT", "/api/word", {"text": "hi"})

    assert (answer.status, answer.json["text"]) == (201, "hi")
    assert answer.header("location") == "/api/word/a%20b%2F%C3%BC"


async def test_a_status_may_be_made_from_the_result(served: Served) -> None:
    """`status` of a route is a number or a function of the result."""
    assert (await served.ask("POST", "/api/chosen", {"text": "now"})).status == 200
    assert (await served.ask("POST", "/api/chosen", {"text": "later"})).status == 202


async def test_ids_of_requests_differ(served: Served) -> None:
    """Each is a UUIDv7."""
    first, second = [(await served.get("/api/word")).header("x-request-id") or "" for _ in range(2)]

    assert first != second
    assert first[14] == "7"


async def test_a_session_that_begins_sets_the_cookie(served: Served) -> None:
    """HttpOnly, SameSite=Lax, for the whole site and no other."""
    answer = await served.ask("POST", "/api/session")

    assert answer.header("set-cookie") == "session=token; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"


async def test_a_secure_cookie_has_the_prefix_that_browsers_check(tmp_path: Path) -> None:
    """`__Host-session`, over https only."""
    async with serving(tmp_path, session={"cookie_secure": True}) as served:
        cookie = (await served.ask("POST", "/api/session")).header("set-cookie") or ""
        gone = (await served.ask("DELETE", "/api/session")).header("set-cookie") or ""

    assert cookie.startswith("__Host-session=token; ")
    assert "; Secure" in cookie
    assert "Domain" not in cookie
    assert gone.startswith("__Host-session=;")
    assert "Max-Age=0" in gone


async def test_an_answer_that_changes_no_session_sets_no_cookie(served: Served) -> None:
    """Set-Cookie is sent only when the cookie changes."""
    assert (await served.get("/api/word")).header("set-cookie") is None


# Conditional requests


async def test_a_tagged_answer_can_be_asked_for_again(served_anyhow: Served) -> None:
    """The tag is weak and of the bytes; the second time it is 304 with the same headers and nothing else."""
    first = await served_anyhow.get("/api/tag")
    tag = first.header("etag") or ""
    second = await served_anyhow.get("/api/tag", if_none_match=tag)

    assert tag.startswith('W/"')
    assert first.header("cache-control") == "private, no-cache"
    assert (second.status, second.body) == (304, b"")
    assert second.header("etag") == tag
    assert second.header("cache-control") == "private, no-cache"
    assert second.header("vary") == first.header("vary")
    assert second.header("content-length") in (None, str(len(first.body)))
    assert second.header("transfer-encoding") is None


async def test_a_connection_goes_on_after_304(served_anyhow: Served) -> None:
    """Nothing of a body follows that could be taken for the next answer."""
    async with served_anyhow.connect() as connection:
        tag = (await connection.get("/api/tag")).header("etag") or ""
        assert (await connection.get("/api/tag", {"If-None-Match": tag})).status == 304
        assert (await connection.get("/api/word")).status == 200


@pytest.mark.parametrize("given", ["*", 'W/"other", {tag}', '{tag}, "x"'])
async def test_if_none_match_may_name_any_or_several(served: Served, given: str) -> None:
    """One of a list is enough."""
    tag = (await served.get("/api/tag")).header("etag") or ""

    assert (await served.get("/api/tag", if_none_match=given.format(tag=tag))).status == 304


async def test_a_tag_is_compared_weakly(served: Served) -> None:
    """The same tag without its W/ is the same for a GET."""
    tag = (await served.get("/api/tag")).header("etag") or ""

    assert (await served.get("/api/tag", if_none_match=tag.removeprefix("W/"))).status == 304


async def test_another_result_has_another_tag(served: Served) -> None:
    """What has changed is sent."""
    tag = (await served.get("/api/tag")).header("etag") or ""

    assert (await served.get("/api/tag?size=11", if_none_match=tag)).status == 200


async def test_if_modified_since_says_nothing_about_results(served: Served) -> None:
    """It counts for files only."""
    assert (await served.get("/api/tag", if_modified_since="Fri, 01 Jan 2100 00:00:00 GMT")).status == 200


async def test_a_version_is_a_strong_tag(served: Served) -> None:
    """`etag(by="version")` is the result's own version; compressed it is told apart, and known again."""
    plain = await served.get("/api/version?version=3&size=2000")
    packed = await served.get("/api/version?version=3&size=2000", accept_encoding="gzip")

    assert plain.header("etag") == '"3"'
    assert packed.header("etag") == '"3-gzip"'
    for tag in ('"3"', '"3-gzip"'):
        assert (await served.get("/api/version?version=3&size=2000", if_none_match=tag)).status == 304
        again = await served.get("/api/version?version=4&size=2000", if_none_match=tag)
        assert again.status == 200


async def test_a_large_answer_of_an_instant_action_comes_compressed(served_anyhow: Served) -> None:
    """It is compressed beside the loop, and arrives as any other."""
    packed = await served_anyhow.get("/api/much", accept_encoding="gzip")

    assert packed.header("content-encoding") == "gzip"
    assert json.loads(gzip.decompress(packed.body)) == {"text": "a" * 400_000}


async def test_if_match_is_the_base_of_the_call(served: Served) -> None:
    """The action reads it as `ctx.base`, without quotes and without the coding of a compressed answer."""
    for sent, base in (('"3"', "3"), ('"3-gzip"', "3"), ("*", "*")):
        assert (await served.ask("PATCH", "/api/word/7", {}, if_match=sent)).json["text"] == base


async def test_a_conflict_under_if_match_is_412(served: Served) -> None:
    """Without the header it is 409; the type is the same."""
    with_it = await served.ask("PUT", "/api/error/conflict", if_match='"1"')
    without = await served.ask("PUT", "/api/error/conflict")

    assert (with_it.status, with_it.type) == (412, "CONFLICT")
    assert (without.status, without.type) == (409, "CONFLICT")


# Compression


async def test_large_answers_are_compressed(served_anyhow: Served) -> None:
    """From 1,024 bytes on, when the client takes it."""
    answer = await served_anyhow.get("/api/big", accept_encoding="gzip")

    assert answer.header("content-encoding") == "gzip"
    assert answer.header("vary") == "origin, accept-encoding"
    assert answer.header("content-length") == str(len(answer.body))
    assert json.loads(gzip.decompress(answer.body))["text"] == "x" * 3000


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "unheard-of", "*;q=0"])
async def test_nothing_is_compressed_for_who_does_not_take_it(served: Served, accepted: str) -> None:
    """The q-values count; caches are told all the same that it depends on the header."""
    answer = await served.get("/api/big", accept_encoding=accepted)

    assert answer.header("content-encoding") is None
    assert answer.header("vary") == "origin, accept-encoding"
    assert answer.json["text"] == "x" * 3000


async def test_small_answers_are_not_compressed(served: Served) -> None:
    """Below 1,024 bytes it does not pay."""
    assert (await served.get("/api/word", accept_encoding="gzip")).header("content-encoding") is None


async def test_files_and_streams_are_not_compressed(served: Served) -> None:
    """A range is of the plain bytes, and a stream would wait for its blocks to fill."""
    assert (await served.get("/api/file", accept_encoding="gzip")).header("content-encoding") is None
    assert (await served.get("/api/count?to=100", accept_encoding="gzip")).header("content-encoding") is None


# Files


async def test_a_file_goes_out_to_be_saved(served_anyhow: Served) -> None:
    """With its type, its name, and every guard against being shown as a page."""
    answer = await served_anyhow.get("/api/file")

    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.header("content-type") == "text/plain"
    assert answer.header("content-length") == "10"
    assert answer.header("content-disposition") == "attachment; filename*=UTF-8''%C3%9Cn%C3%AF%20code.txt"
    assert answer.header("content-security-policy") == "sandbox"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("accept-ranges") == "bytes"
    assert answer.header("etag") == '"abc"'
    assert answer.header("last-modified") == "Fri, 02 Jan 2026 00:00:00 GMT"
    assert answer.header("cache-control") == "private, no-cache"


@pytest.mark.parametrize(
    ("asked", "part", "where"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ],
)
async def test_one_range_is_206(served_anyhow: Served, asked: str, part: bytes, where: str) -> None:
    """With the place of the part in the whole."""
    answer = await served_anyhow.get("/api/file", range=asked)

    assert (answer.status, answer.body, answer.header("content-range")) == (206, part, where)
    assert answer.header("content-length") == str(len(part))


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=1-2", "bytes=3-2", "bytes=x"])
async def test_what_is_no_single_range_gets_the_whole_file(served: Served, asked: str) -> None:
    """Several ranges, other units and nonsense are as if nothing had been asked."""
    assert (await served.get("/api/file", range=asked)).status == 200


async def test_a_range_outside_the_file_is_416(served_anyhow: Served) -> None:
    """The answer tells how long the file is."""
    answer = await served_anyhow.get("/api/file", range="bytes=10-")

    assert (answer.status, answer.type) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.header("content-range") == "bytes */10"


async def test_if_range_holds(served: Served) -> None:
    """The part is sent only of the file that the client has begun."""
    assert (await served.get("/api/file", range="bytes=0-1", if_range='"abc"')).status == 206
    assert (await served.get("/api/file", range="bytes=0-1", if_range='"old"')).status == 200
    assert (await served.get("/api/file", range="bytes=0-1", if_range="Fri, 02 Jan 2026 00:00:00 GMT")).status == 206


async def test_a_file_that_the_client_has_is_304(served_anyhow: Served) -> None:
    """By its tag, or without one by its date."""
    assert (await served_anyhow.get("/api/file", if_none_match='"abc"')).status == 304
    since = "Fri, 02 Jan 2026 00:00:00 GMT"
    assert (await served_anyhow.get("/api/file", if_modified_since=since)).status == 304
    assert (await served_anyhow.get("/api/file", if_modified_since=since, if_none_match='"old"')).status == 200


async def test_head_on_a_file_tells_its_length(served_anyhow: Served) -> None:
    """As GET does, without a body."""
    answer = await served_anyhow.ask("HEAD", "/api/file", range="bytes=0-1")

    assert (answer.status, answer.header("content-length"), answer.body) == (200, "10", b"")


async def test_a_file_that_is_gone_is_500_without_its_path(served: Served) -> None:
    """That it was promised and is not there is our fault, and none of the client's business."""
    answer = await served.get("/api/file?missing=true")

    assert (answer.status, answer.type) == (500, "DEFECT")
    assert b"gone" not in answer.body
