"""Static files: what lies in the folder is given as it is, and what does not is nowhere."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from antiphon.core.errors import SetupError
from antiphon.testing.app import HttpClient
from antiphon.transports.http.content_types import content_type
from antiphon.transports.http.folder import Folder, FoundFile, Within
from antiphon.transports.http.static import Forms, static
from antiphon.wire.conditional import parse_http_date
from tests.transports import openapi_actions
from tests.transports.served import served

LONG = b"All work and no play makes Jack a dull boy. " * 100
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with what people put into such folders, and things that they should not have."""
    public = tmp_path / "public"
    for inner in ("guide", "empty", ".git"):
        (public / inner).mkdir(parents=True)
    files = {
        "index.html": b"<h1>Home</h1>",
        "guide/index.html": b"<h1>Guide</h1>",
        "guide/long.txt": LONG,
        "logo.png": b"\x89PNG" + bytes(range(256)) * 8,
        "with space.txt": b"space",
        "empty.txt": b"",
        "app.js": b"go()",
        ".env": b"SECRET=1",
        ".git/config": b"[core]",
    }
    for name, content in files.items():
        (public / name).write_bytes(content)
        os.utime(public / name, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    (tmp_path / "secret.txt").write_bytes(b"outside")
    (public / "out.txt").symlink_to(tmp_path / "secret.txt")
    (public / "up").symlink_to(tmp_path)
    (public / "hidden.txt").symlink_to(public / ".env")
    (public / "inside.txt").symlink_to(public / "guide" / "long.txt")
    (public / "loop").symlink_to(public / "loop")
    os.mkfifo(public / "pipe")
    return public


@pytest.fixture
async def client(folder: Path, tmp_path: Path) -> AsyncIterator[HttpClient]:
    """A client of an application that gives the folder away at its root."""
    modules = [openapi_actions.__name__]
    async with served(tmp_path / "app", modules=modules, static=[static("/", folder)]) as client:
        yield client


def found(folder: Path, name: str) -> FoundFile:
    """What the folder says of a file that it has."""
    within = Within.read(name.split("/"))
    assert within is not None
    file = Folder(folder).look(within)
    assert isinstance(file, FoundFile)
    return file


# Files


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/", b"<h1>Home</h1>", "text/html; charset=utf-8"),
        ("/index.html", b"<h1>Home</h1>", "text/html; charset=utf-8"),
        ("/guide/", b"<h1>Guide</h1>", "text/html; charset=utf-8"),
        ("/guide/long.txt", LONG, "text/plain; charset=utf-8"),
        ("/with%20space.txt", b"space", "text/plain; charset=utf-8"),
        ("/empty.txt", b"", "text/plain; charset=utf-8"),
        ("/app.js?v=1", b"go()", "text/javascript; charset=utf-8"),
        ("/inside.txt", LONG, "text/plain; charset=utf-8"),
    ],
)
async def test_a_file_is_given_as_it_is(client: HttpClient, path: str, body: bytes, kind: str) -> None:
    """With its type, that of a folder being its index; links inside the folder are followed."""
    answer = await client.get(path)
    assert (answer.status, answer.body, answer.header("content-type")) == (200, body, kind)


async def test_a_file_may_be_kept_for_an_hour(client: HttpClient) -> None:
    """It has a strong tag, the time of its change, and may be asked for in parts."""
    answer = await client.get("/index.html")
    assert answer.header("cache-control") == "public, max-age=3600"
    assert (answer.header("etag") or "").startswith('"')
    assert answer.header("last-modified") == "Thu, 02 Jan 2020 03:04:05 GMT"
    assert answer.header("accept-ranges") == "bytes"
    assert answer.header("x-request-id")


async def test_a_file_has_the_policy_of_pages(client: HttpClient) -> None:
    """Scripts come from files of the same origin; nobody frames it."""
    answer = await client.get("/")
    assert answer.header("content-security-policy") == (
        "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    assert answer.header("cross-origin-opener-policy") == "same-origin"
    assert answer.header("x-content-type-options") == "nosniff"


async def test_head_has_the_headers_of_get(client: HttpClient) -> None:
    """And no body."""
    got, head = await client.get("/logo.png"), await client.request("HEAD", "/logo.png")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "content-type", "etag", "last-modified"):
        assert head.header(name) == got.header(name)


@pytest.mark.parametrize("path", ["/index.html", "/guide"])
async def test_files_are_only_read(client: HttpClient, path: str) -> None:
    """OPTIONS says so, and any other method is a 405 that does."""
    answers = [await client.request(method, path) for method in ("OPTIONS", "PUT", "POST", "DELETE")]
    assert [(answer.status, answer.header("allow")) for answer in answers] == [
        (status, "GET, HEAD, OPTIONS") for status in (204, 405, 405, 405)
    ]


# What must not be seen


@pytest.mark.parametrize(
    "path",
    [
        "/.env",
        "/%2eenv",
        "/.git/config",
        "/hidden.txt",
        "/out.txt",
        "/up/secret.txt",
        "/up/",
        "/guide/..%2f..%2fsecret.txt",
        "/..%2fsecret.txt",
        "/%5c..%5csecret.txt",
        "/pipe",
        "/loop",
        "/empty",
        "/empty/",
        "/index.html/",
        "//index.html",
        "/guide//long.txt",
        "/missing.txt",
        "/" + "a" * 300,
        "/guide/" + "%C3%A9" * 200,
    ],
)
async def test_what_is_not_for_outside_is_not_there(client: HttpClient, path: str) -> None:
    """Dot files, links that lead out or to them, pipes, folders without an index, and what is missing: all 404."""
    assert (await client.request("OPTIONS", path)).status == 404
    answer = await client.get(path)
    assert (answer.status, answer.error["type"]) == (404, "NOT_FOUND")
    assert "secret" not in answer.body.decode().lower()


@pytest.mark.parametrize("path", ["/../secret.txt", "/guide/%2e%2e/%2e%2e/secret.txt", "/a%00.txt", "/%ff"])
async def test_a_path_that_no_client_means_is_refused(client: HttpClient, path: str) -> None:
    """Dots as a segment, NUL and broken encodings are malformed before any file is looked for."""
    assert (await client.get(path)).status == 400


def test_a_place_with_dots_or_nul_is_no_place() -> None:
    """The folder refuses by itself what the router should have refused."""
    for names in (["..", "secret.txt"], ["."], ["a\0b"], ["", "etc", "passwd"], ["a/../../b"], ["c:\\x"]):
        assert Within.read(names) is None


async def test_an_unknown_path_still_names_the_one_that_exists(client: HttpClient) -> None:
    """A folder at the root takes nothing from the message of the router."""
    answer = await client.get("/api/check/")
    assert "/api/check exists" in answer.error["message"]


async def test_routes_come_before_files(folder: Path, tmp_path: Path) -> None:
    """A file under the path of a route is never seen."""
    (folder / "api").mkdir()
    (folder / "api" / "check").write_bytes(b"file")
    modules = [openapi_actions.__name__]
    async with served(tmp_path / "app", modules=modules, static=[static("/", folder)]) as client:
        assert (await client.get("/api/check")).body != b"file"
        assert (await client.get("/healthz")).json == {"alive": True}


# Folders


async def test_a_folder_without_its_slash_leads_to_the_one_with_it(client: HttpClient) -> None:
    """The links of its index are relative to it."""
    answer = await client.get("/guide?page=2")
    assert (answer.status, answer.header("location")) == (308, "./guide/?page=2")


async def test_a_redirect_never_leaves_the_host(folder: Path, tmp_path: Path) -> None:
    """A folder whose name looks like an address stays a folder."""
    odd = folder / "x:evil.test"
    odd.mkdir()
    (odd / "index.html").write_bytes(b"odd")
    async with served(tmp_path / "app", static=[static("/", folder)]) as client:
        assert (await client.get("/x:evil.test")).header("location") == "./x%3Aevil.test/"
        assert (await client.get("/x:evil.test/")).body == b"odd"


async def test_a_folder_can_stand_under_a_path(folder: Path, tmp_path: Path) -> None:
    """Only what begins with the whole path is looked for in it."""
    async with served(tmp_path / "app", static=[static("/files/", folder)]) as client:
        assert (await client.get("/files/guide/long.txt")).body == LONG
        assert (await client.get("/files/")).body == b"<h1>Home</h1>"
        assert (await client.get("/files")).header("location") == "./files/"
        assert (await client.get("/filesx/index.html")).status == 404
        assert (await client.get("/index.html")).status == 404


async def test_the_first_folder_that_has_the_file_answers(folder: Path, tmp_path: Path) -> None:
    """Several folders can lie over each other."""
    over = tmp_path / "over"
    over.mkdir()
    (over / "index.html").write_bytes(b"over")
    async with served(tmp_path / "app", static=[static("/", over), static("/", folder)]) as client:
        assert (await client.get("/")).body == b"over"
        assert (await client.get("/app.js")).body == b"go()"
        assert (await client.get("/missing")).status == 404


async def test_a_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """The message names it."""
    with pytest.raises(SetupError, match="there is no folder"):
        async with served(tmp_path / "app", static=[static("/", tmp_path / "missing")]):
            pass


@pytest.mark.parametrize("path", ["", "files", "/{name}"])
def test_a_path_for_files_is_plain(path: str) -> None:
    """It begins with a slash and has no places."""
    with pytest.raises(SetupError, match="must begin with a slash"):
        static(path, ".")


# Conditions and parts


async def test_what_the_client_has_is_not_sent_again(client: HttpClient) -> None:
    """By its tag, or by the time it was given."""
    answer = await client.get("/guide/long.txt")
    by_tag = await client.get("/guide/long.txt", {"If-None-Match": answer.header("etag") or ""})
    by_time = await client.get("/guide/long.txt", {"If-Modified-Since": answer.header("last-modified") or ""})
    assert (by_tag.status, by_time.status) == (304, 304)
    assert by_tag.body == by_time.body == b""
    assert by_tag.header("etag") == answer.header("etag")
    assert by_tag.header("cache-control") == "public, max-age=3600"


async def test_a_part_of_a_file(client: HttpClient) -> None:
    """One range is 206, and says where it lies."""
    answer = await client.get("/guide/long.txt", {"Range": "bytes=4-7"})
    assert (answer.status, answer.body) == (206, b"work")
    assert answer.header("content-range") == f"bytes 4-7/{len(LONG)}"


async def test_a_part_that_lies_outside_is_416(client: HttpClient) -> None:
    """The answer says how long the file is."""
    answer = await client.get("/guide/long.txt", {"Range": f"bytes={len(LONG)}-"})
    assert (answer.status, answer.error["type"]) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.header("content-range") == f"bytes */{len(LONG)}"


async def test_a_part_of_an_older_version_gets_the_whole(client: HttpClient) -> None:
    """`If-Range` holds only for the tag of now."""
    tag = (await client.get("/guide/long.txt")).header("etag") or ""
    same = await client.get("/guide/long.txt", {"Range": "bytes=0-3", "If-Range": tag})
    other = await client.get("/guide/long.txt", {"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (same.status, other.status) == (206, 200)


async def test_a_time_ahead_is_not_told(folder: Path, client: HttpClient) -> None:
    """A file that is dated tomorrow was changed no later than now (RFC 9110 §8.8.2.1)."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).timestamp()
    os.utime(folder / "app.js", (tomorrow, tomorrow))
    answer = await client.get("/app.js")
    told = parse_http_date(answer.header("last-modified") or "")
    assert told is not None
    assert told <= datetime.now(UTC)


# Versions


async def test_a_new_version_has_a_new_tag(folder: Path, client: HttpClient) -> None:
    """Also when size and time are those of the old one, as builds with fixed times leave them."""
    before = await client.get("/app.js")
    (folder / "app.js").write_bytes(b"no()")
    os.utime(folder / "app.js", (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    after = await client.get("/app.js", {"If-None-Match": before.header("etag") or ""})
    assert (after.status, after.body) == (200, b"no()")
    assert after.header("last-modified") == before.header("last-modified")


def test_the_same_bytes_have_the_same_tag(folder: Path) -> None:
    """Two machines with copies of one folder answer alike."""
    (folder / "copy.js").write_bytes((folder / "app.js").read_bytes())
    assert found(folder, "copy.js").tag == found(folder, "app.js").tag


def test_a_file_that_was_replaced_is_not_read_as_the_old_one(folder: Path) -> None:
    """Its bytes would be sent under the tag of others."""
    file = found(folder, "app.js")
    (folder / "app.js").write_bytes(b"no()")
    assert file.read() is None


def test_a_huge_file_is_not_read_for_its_tag(folder: Path) -> None:
    """Its tag is its size and its times."""
    size = 65 * 1024 * 1024
    with (folder / "huge.bin").open("wb") as file:
        file.truncate(size)
    assert found(folder, "huge.bin").tag.value.startswith(f"{size:x}-")


# Compression


async def test_text_is_compressed_once(client: HttpClient) -> None:
    """Each coding has a tag of its own, and is the same bytes every time."""
    plain = await client.get("/guide/long.txt")
    packed = await client.get("/guide/long.txt", {"Accept-Encoding": "gzip"})
    assert packed.header("content-encoding") == "gzip"
    assert packed.header("vary") == "origin, accept-encoding"
    assert gzip.decompress(packed.body) == LONG
    assert packed.header("etag") != plain.header("etag")
    again = await client.get("/guide/long.txt", {"Accept-Encoding": "gzip"})
    assert again.body == packed.body


async def test_the_tag_of_a_coding_is_known_again(client: HttpClient) -> None:
    """A client that has the compressed form has that version."""
    packed = await client.get("/guide/long.txt", {"Accept-Encoding": "gzip"})
    again = await client.get("/guide/long.txt", {"If-None-Match": packed.header("etag") or ""})
    assert (again.status, again.header("etag")) == (304, packed.header("etag"))


async def test_a_part_is_never_compressed(client: HttpClient) -> None:
    """Parts are those of the plain file."""
    answer = await client.get("/guide/long.txt", {"Accept-Encoding": "gzip", "Range": "bytes=0-2999"})
    assert (answer.status, answer.header("content-encoding")) == (206, None)
    assert answer.body == LONG[:3000]


async def test_a_picture_is_not_compressed(client: HttpClient) -> None:
    """It is compressed already."""
    answer = await client.get("/logo.png", {"Accept-Encoding": "gzip"})
    assert (answer.header("content-encoding"), answer.header("vary")) == (None, "origin")


def test_forms_are_bounded_in_bytes() -> None:
    """The oldest makes room, and what alone is over the bound is not kept at all."""
    forms = Forms(10)
    for name in "abc":
        forms.keep((name, "gzip"), b"1234")
    forms.keep(("c", "gzip"), b"1234")
    assert [forms.get((name, "gzip")) for name in "abc"] == [None, b"1234", b"1234"]
    forms.keep(("d", "gzip"), b"12345678901")
    assert [forms.get((name, "gzip")) for name in "bcd"] == [None, None, None]


# Types


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.unknown", "application/octet-stream"),
        ("html", "application/octet-stream"),
    ],
)
def test_a_type_comes_from_the_end_of_the_name(name: str, kind: str) -> None:
    """On every machine the same one; what is not known is bytes."""
    assert content_type(name) == kind
