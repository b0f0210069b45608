"""One file at one path: what `static("/robots.txt", file)` gives, and the client that pages import."""

from __future__ import annotations

from pathlib import Path

from antiphon.testing.app import HttpClient
from antiphon.transports.http.static import client_script, static
from tests.transports.served import served


async def _statuses(client: HttpClient, *paths: str) -> list[int]:
    return [(await client.get(path)).status for path in paths]


async def test_one_file_is_answered_at_its_path_and_nothing_beside_it(tmp_path: Path) -> None:
    """The files next to it are nowhere, whatever path is tried."""
    (tmp_path / "robots.txt").write_text("User-agent: *")
    (tmp_path / "secret.txt").write_text("secret")

    async with served(tmp_path, static=[static("/robots.txt", tmp_path / "robots.txt")]) as client:
        answer = await client.get("/robots.txt")
        others = await _statuses(client, "/robots.txt/", "/robots.txt/secret.txt", "/secret.txt", "/")

    assert (answer.status, answer.body) == (200, b"User-agent: *")
    assert others == [404] * 4


async def test_a_file_stands_beside_folders(tmp_path: Path) -> None:
    """What is not the file's path goes on to the next folder."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").write_text("home")
    (tmp_path / "one.txt").write_text("one")
    both = [static("/one.txt", tmp_path / "one.txt"), static("/", tmp_path / "public")]

    async with served(tmp_path, static=both) as client:
        assert await _statuses(client, "/one.txt", "/", "/two.txt") == [200, 200, 404]


async def test_the_client_for_pages_is_served_as_a_script(tmp_path: Path) -> None:
    """`client_script()` gives antiphon.js of this version, of a type that browsers import."""
    async with served(tmp_path, static=[client_script()]) as client:
        answer = await client.get("/antiphon.js")

    assert answer.status == 200
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert b"export class Client" in answer.body
