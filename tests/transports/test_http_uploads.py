"""Uploads: files on disk for as long as their call, and nothing of them afterwards, however it ends."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from antiphon.testing.waiting import wait_until
from tests.transports.serving import Served, form, serving

FILE = 'name="file"; filename="a.txt"'


async def test_a_file_comes_with_all_that_is_known_of_it(served_anyhow: Served) -> None:
    """Its name, the client's word for its type, what its bytes say, its size and its digest; and it is there."""
    content = b"\x89PNG\r\n\x1a\n" + b"x" * 600_000
    kind, body = form(('name="file"; filename="../a b.png"', content), ('name="text"', b"hello"))
    answer = await served_anyhow.ask("PUT", "/api/file", raw=body, content_type=kind)

    assert answer.status == 200
    assert answer.json == {
        "name": "a b.png",
        "type": "application/octet-stream",
        "sniffed": "image/png",
        "sizeBytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": "hello",
        "there": True,
    }
    assert served_anyhow.uploads == []


async def test_a_file_that_was_moved_stays_where_it_was_put(served: Served) -> None:
    """Keeping a file is moving it; the rest of the folder goes."""
    kind, body = form((FILE, b"content"), ('name="text"', b"move"))
    answer = await served.ask("PUT", "/api/file", raw=body, content_type=kind)

    assert answer.json["there"] is False
    assert (served.folder / "var" / "moved").read_bytes() == b"content"
    assert served.uploads == []


async def test_several_files_are_a_list(served: Served) -> None:
    """In the order in which they came."""
    kind, body = form(('name="files"; filename="1"', b"1"), ('name="files"; filename="2"', b"2"))
    answer = await served.ask("PUT", "/api/files", raw=body, content_type=kind)

    assert answer.json["values"]["names"] == ["1", "2"]
    assert served.uploads == []


@pytest.mark.parametrize("kind", ["conflict", "missing", "defect", "other"])
async def test_nothing_is_left_when_the_action_fails(served_anyhow: Served, kind: str) -> None:
    """Neither after an error that it raises nor after a defect."""
    of_form, body = form((FILE, b"content"), ('name="fail"', kind.encode()))
    answer = await served_anyhow.ask("PUT", "/api/file", raw=body, content_type=of_form)

    assert answer.status >= 400
    assert served_anyhow.uploads == []


async def test_nothing_is_left_when_inputs_do_not_fit(served: Served) -> None:
    """The file was there, and something else was missing."""
    kind, body = form(('name="other"; filename="a"', b"content"))
    answer = await served.ask("PUT", "/api/file", raw=body, content_type=kind)

    assert answer.error["fields"] == [{"name": "file", "message": "is missing"}]
    assert served.uploads == []


async def test_one_file_given_twice_is_told_so(served: Served) -> None:
    """As any other single value that is repeated."""
    kind, body = form((FILE, b"1"), (FILE, b"2"))
    answer = await served.ask("PUT", "/api/file", raw=body, content_type=kind)

    assert answer.status == 422
    assert answer.error["fields"] == [{"name": "file", "message": "is given more than once"}]
    assert served.uploads == []


@pytest.mark.parametrize("of_json", [True, False])
async def test_text_where_a_file_belongs_is_422(served: Served, of_json: bool) -> None:
    """In a form and in JSON."""
    if of_json:
        answer = await served.ask("PUT", "/api/file", {"file": "text"})
    else:
        kind, body = form(('name="file"', b"text"))
        answer = await served.ask("PUT", "/api/file", raw=body, content_type=kind)

    assert answer.error["fields"] == [{"name": "file", "message": "is not a file"}]


@pytest.mark.parametrize("body", [b"", b"--frontier", b"--frontier\r\nContent-Disposition: form-data\r\n\r\nx"])
async def test_an_unreadable_form_is_400(served: Served, body: bytes) -> None:
    """Also when it is cut short."""
    answer = await served.ask("PUT", "/api/file", raw=body, content_type="multipart/form-data; boundary=frontier")

    assert answer.status == (422 if not body else 400)
    assert served.uploads == []


async def test_a_form_that_is_cut_after_its_file_leaves_nothing(served: Served) -> None:
    """The last boundary is what makes a form whole."""
    kind, body = form((FILE, b"x" * 300_000))
    answer = await served.ask("PUT", "/api/file", raw=body[:-6], content_type=kind)

    assert (answer.status, answer.type) == (400, "MALFORMED")
    assert served.uploads == []


async def test_a_file_over_its_bound_is_413_and_leaves_nothing(tmp_path: Path) -> None:
    """One file of a form is bounded by `http.file_bytes`, the whole by `http.upload_bytes`."""
    async with serving(tmp_path, {"file_bytes": 300_000, "upload_bytes": 400_000}) as served:
        for parts in ([(FILE, b"x" * 300_001)], [(FILE, b"x" * 250_000), ('name="b"; filename="b"', b"x" * 250_000)]):
            kind, body = form(*parts)
            answer = await served.ask("PUT", "/api/file", raw=body, content_type=kind)
            assert (answer.status, answer.type) == (413, "TOO_LARGE")
            assert served.uploads == []


async def test_the_bounds_of_a_form_are_413(tmp_path: Path) -> None:
    """Its parts, one text field, and the headers of one part."""
    bounds = {"multipart_parts": 3, "field_bytes": 10, "part_header_bytes": 200}
    async with serving(tmp_path, bounds) as served:
        for parts in (
            [(f'name="{n}"', b"") for n in range(4)],
            [('name="text"', b"x" * 11)],
            [('name="text"; filename="' + "x" * 200 + '"', b"")],
        ):
            kind, body = form((FILE, b"content"), *parts) if len(parts) == 1 else form(*parts)
            assert (await served.ask("PUT", "/api/file", raw=body, content_type=kind)).status == 413
            assert served.uploads == []


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(served_anyhow: Served) -> None:
    """An aborted upload is removed, and is nobody's defect."""
    kind, body = form((FILE, b"x" * 2_000_000))
    async with served_anyhow.connect() as connection:
        head = f"PUT /api/file HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        await connection.send(head.encode() + body[:1_500_000])
        await wait_until(lambda: served_anyhow.uploads, "the upload never began")
        connection.reset()

    await wait_until(lambda: not served_anyhow.uploads, "the upload was never removed")
    await wait_until(lambda: not len(served_anyhow.runtime.calls), "the call never ended")
    outcomes = served_anyhow.runtime.runner("file:put").tallies["http"].outcomes
    assert dict(outcomes) == {"LEFT": 1}


async def test_a_client_that_leaves_after_its_upload_leaves_nothing(served_anyhow: Served) -> None:
    """The call runs to its end, and then its file goes."""
    kind, body = form((FILE, b"content"), ('name="text"', b"wait"))
    async with served_anyhow.connect() as connection:
        head = f"PUT /api/file HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        await connection.send(head.encode() + body)
        await wait_until(served_anyhow.watch.event("file came").is_set, "the call never began")
        connection.reset()
    assert served_anyhow.uploads
    served_anyhow.watch.event("go on").set()

    await wait_until(lambda: not served_anyhow.uploads, "the upload was never removed")


async def test_an_upload_that_takes_too_long_is_408_and_leaves_nothing(tmp_path: Path) -> None:
    """`http.body_time` bounds it."""
    async with serving(tmp_path, {"body_time": "200ms"}) as served, served.connect() as connection:
        kind, body = form((FILE, b"x" * 400_000))
        head = f"PUT /api/file HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        await connection.send(head.encode() + body[:300_000])
        answer = await connection.answer("PUT")

    assert answer.status == 408
    assert answer.header("connection") == "close"
    assert served.uploads == []


async def test_a_refused_caller_uploads_nothing(served_anyhow: Served) -> None:
    """Who asks first with `Expect: 100-continue` is refused before a byte of the body is sent."""
    async with served_anyhow.connect() as connection:
        head = "PUT /api/file/secret HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
        await connection.send(head.encode())
        answer = await connection.answer("PUT")

    assert answer.status == 401
    assert answer.header("connection") == "close"
    assert served_anyhow.uploads == []


async def test_100_continue_is_sent_to_who_may(served_anyhow: Served) -> None:
    """Once permission is given, the body is asked for."""
    kind, body = form((FILE, b"content"))
    async with served_anyhow.connect() as connection:
        head = (
            f"PUT /api/file HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        await connection.send(head.encode())
        assert (await connection.answer("PUT")).status == 100
        await connection.send(body)
        assert (await connection.answer("PUT")).status == 200


async def test_another_expectation_is_417(served: Served) -> None:
    """There is only one that can be met."""
    answer = await served.ask("PUT", "/api/word", {"text": "hi"}, expect="a-miracle")

    assert (answer.status, answer.type) == (417, "EXPECTATION_FAILED")


async def test_what_a_crash_left_is_swept_at_the_next_start(tmp_path: Path) -> None:
    """Folders of uploads older than a day go; younger ones may belong to another process, and others are not ours."""
    folder = tmp_path / "var" / "uploads"
    for name in ("upload-old", "upload-new", "else"):
        (folder / name).mkdir(parents=True)
        (folder / name / "0").write_bytes(b"x")
    for name in ("upload-old", "else"):
        os.utime(folder / name, (1, 1))

    async with serving(tmp_path) as served:
        assert served.uploads == ["else", "upload-new"]
