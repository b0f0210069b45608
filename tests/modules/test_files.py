"""Files: what may be uploaded, who gets it back, and what is left on disk."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.action import Call
from antiphon.core.context import Context
from antiphon.core.errors import Conflict
from antiphon.core.middleware import Next
from antiphon.testing.engines import ValkeyServer
from tests.modules.test_pictures import PNG
from tests.olympus_stage import UNKNOWN_ID, Olympus, olympus_on

TEXT = b"Sing, goddess, of the anger of Achilles.\n"
FIELDS = {
    "id", "name", "type", "sizeBytes", "sha256", "description", "createdAt", "jobId", "processedAt", "width", "height",
    "scannedAt", "refusedAt",
}  # fmt: skip

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*")


async def test_an_upload_says_what_was_kept(olympus_anywhere: Olympus) -> None:
    """`file:upload` answers 201, a Location and what is known of the file."""
    ada = await olympus_anywhere.person("Ada")

    answer = await ada.client.upload("/api/file", "iliad.txt", TEXT, description="The first line")

    assert answer.status == 201
    file = answer.json
    assert answer.header("location") == f"/api/file/{file['id']}"
    assert file.keys() == FIELDS
    assert (file["name"], file["type"], file["description"]) == ("iliad.txt", "text/plain", "The first line")
    assert (file["sizeBytes"], file["sha256"]) == (len(TEXT), sha256(TEXT).hexdigest())


async def test_a_file_comes_back_as_it_was_sent(olympus_anywhere: Olympus) -> None:
    """`file:download` gives the same bytes, with the stored type, as an attachment."""
    ada = await olympus_anywhere.person("Ada")
    file = (await ada.client.upload("/api/file", "πόλις.png", PNG)).json

    answer = await ada.client.get(f"/api/file/{file['id']}")

    assert (answer.status, answer.body) == (200, PNG)
    assert answer.header("content-type") == "image/png"
    assert answer.header("content-disposition") == "attachment; filename*=UTF-8''%CF%80%CF%8C%CE%BB%CE%B9%CF%82.png"
    assert answer.header("content-security-policy") == "sandbox"


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, TEXT[:4], f"bytes 0-3/{len(TEXT)}"),
        ("bytes=-5", 206, TEXT[-5:], f"bytes {len(TEXT) - 5}-{len(TEXT) - 1}/{len(TEXT)}"),
        ("bytes=0-1,3-4", 200, TEXT, None),
    ],
)
async def test_a_range_of_a_file_is_given(
    olympus: Olympus, asked: str, status: int, body: bytes, content_range: str | None
) -> None:
    """One range of a file is a 206 with that part of it; several ranges get the whole file."""
    ada = await olympus.person("Ada")
    file = (await ada.client.upload("/api/file", "iliad.txt", TEXT)).json

    answer = await ada.client.get(f"/api/file/{file['id']}", {"Range": asked})

    assert (answer.status, answer.body, answer.header("content-range")) == (status, body, content_range)


async def test_a_range_behind_the_end_is_refused(olympus: Olympus) -> None:
    """A range that the file does not have is a 416 that says how long the file is."""
    ada = await olympus.person("Ada")
    file = (await ada.client.upload("/api/file", "iliad.txt", TEXT)).json

    answer = await ada.client.get(f"/api/file/{file['id']}", {"Range": "bytes=1000-"})

    assert (answer.status, answer.header("content-range")) == (416, f"bytes */{len(TEXT)}")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("page.html", b"<html><body>hello</body></html>", "is of a type that is not accepted here"),
        ("program.exe", b"MZ\x90\x00", "is of a type that is not accepted here"),
        ("nameless", TEXT, "is of a type that is not accepted here"),
        ("picture.png", TEXT, "has a name that says another type than its content"),
        ("notes.txt", PNG, "has a name that says another type than its content"),
        ("notes.txt", b"<script>alert(1)</script>", "has a name that says another type than its content"),
    ],
)
async def test_a_file_that_is_not_what_it_may_be_is_refused(
    olympus: Olympus, name: str, data: bytes, message: str
) -> None:
    """A type outside `files.types`, or a name and a content that disagree, is a 422; nothing is kept."""
    ada = await olympus.person("Ada")

    answer = await ada.client.upload("/api/file", name, data)

    assert answer.status == 422
    assert answer.error["fields"] == [{"name": "file", "message": message}]
    assert not olympus.kept()


@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", "text/csv"), ("a.json", "application/json"), ("a.TXT", "text/plain")]
)
async def test_a_file_is_kept_under_the_type_of_its_name(olympus: Olympus, name: str, kind: str) -> None:
    """The stored type is that of the name, once the content agrees."""
    ada = await olympus.person("Ada")

    answer = await ada.client.upload("/api/file", name, b"1")

    assert answer.json["type"] == kind


async def test_an_upload_without_a_file_names_it(olympus: Olympus) -> None:
    """`file:upload` without a file is a 422 that names the input."""
    ada = await olympus.person("Ada")

    answer = await ada.client.post("/api/file", {})

    assert answer.status == 422
    assert answer.error["fields"] == [{"name": "file", "message": "is missing"}]


@pytest.mark.parametrize(
    "settings", [{"FILES_USER_BYTES": "60"}, {"FILES_USER_COUNT": "1"}, {"FILES_FILE_BYTES": "10"}], ids=str
)
async def test_a_full_quota_is_too_large(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str, settings: dict[str, str]
) -> None:
    """Over the bytes or the number of a user's files, or the bytes of one, is a 413, and what was sent is gone."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with olympus_on(tmp_path, url, valkey.url, store_prefix, settings=settings) as olympus:
        ada = await olympus.person("Ada")

        answers = [await ada.client.upload("/api/file", "iliad.txt", TEXT) for _ in range(2)]

        assert answers[-1].status == 413
        assert answers[-1].error["type"] == "TOO_LARGE"
        assert len(olympus.kept()) == sum(answer.status == 201 for answer in answers)


async def test_uploads_at_once_do_not_pass_the_quota(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Of eight uploads that begin together, as many are kept as the user may have, and the others are a 413."""
    settings = {"FILES_USER_COUNT": "3"}
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=settings) as olympus:
        ada = await olympus.person("Ada")

        answers = await asyncio.gather(*(ada.client.upload("/api/file", f"{n}.txt", TEXT) for n in range(8)))

        assert sorted(answer.status for answer in answers) == [201] * 3 + [413] * 5
        assert len(olympus.kept()) == 3


async def test_a_file_belongs_to_its_owner(olympus_anywhere: Olympus) -> None:
    """A file of another, an unknown one and no id at all are the same 404, for looking and for deleting."""
    ada, eve = await olympus_anywhere.person("Ada"), await olympus_anywhere.person("Eve")
    file = (await ada.client.upload("/api/file", "iliad.txt", TEXT)).json

    answers = [
        await eve.client.request(method, f"/api/file/{file_id}")
        for method in ("GET", "DELETE")
        for file_id in (file["id"], UNKNOWN_ID, "nothing")
    ]

    assert {(answer.status, answer.error["message"]) for answer in answers} == {(404, "There is no such file.")}
    assert (await ada.client.get(f"/api/file/{file['id']}")).status == 200


async def test_a_deleted_file_is_gone(olympus_anywhere: Olympus) -> None:
    """`file:delete` answers 204; then the file is a 404, and its bytes are off the disk."""
    ada = await olympus_anywhere.person("Ada")
    file = (await ada.client.upload("/api/file", "iliad.txt", TEXT)).json

    answer = await ada.client.delete(f"/api/file/{file['id']}")

    assert answer.status == 204
    assert (await ada.client.get(f"/api/file/{file['id']}")).status == 404
    assert not olympus_anywhere.kept()


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/file"), ("GET", "/api/file/x"), ("DELETE", "/api/file/x")])
async def test_a_stranger_has_no_files(olympus: Olympus, method: str, path: str) -> None:
    """Files are for those signed in: a 401 for everybody else."""
    answer = await olympus.client().request(method, path)

    assert answer.status == 401


async def fail_afterwards(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Let the call do everything, and then fail when a file says so in its name."""
    result = await next(call, ctx)
    if "doomed" in getattr(result, "name", "") or call.action.name == "file:delete":
        raise Conflict("The world has moved on.")
    return result


async def test_an_upload_that_is_rolled_back_leaves_nothing(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """When a call fails after its file was kept, neither the row nor the bytes are there."""
    prepared = olympus_on(tmp_path, database_url, valkey.url, store_prefix, middleware=[fail_afterwards])
    async with prepared as olympus:
        ada = await olympus.person("Ada")

        answer = await ada.client.upload("/api/file", "doomed.txt", TEXT)

        assert answer.status == 409
        assert not olympus.kept()


async def test_a_deletion_that_is_rolled_back_keeps_the_file(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """When a call fails after it deleted a file, the row and the bytes are still there."""
    prepared = olympus_on(tmp_path, database_url, valkey.url, store_prefix, middleware=[fail_afterwards])
    async with prepared as olympus:
        ada = await olympus.person("Ada")
        file = (await ada.client.upload("/api/file", "iliad.txt", TEXT)).json

        answer = await ada.client.delete(f"/api/file/{file['id']}")

        assert answer.status == 409
        assert (await ada.client.get(f"/api/file/{file['id']}")).body == TEXT
