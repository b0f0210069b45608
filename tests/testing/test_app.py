"""The copy of an application that a test runs: the same one, with nothing left out."""

from __future__ import annotations

from pathlib import Path

from antiphon import App, Http, signed_in, static
from antiphon.testing.app import TestApp, again


async def test_the_copy_serves_what_the_application_serves(tmp_path: Path) -> None:
    """Static folders are part of the transport, and are there in the copy as well."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "hello.txt").write_text("hello", encoding="utf-8")
    app = App("pages", transports=[Http(static=[static("/pages", pages)])])

    async with TestApp.start(app, tmp_path) as running:
        answer = await running.client().get("/pages/hello.txt")

    assert (answer.status, answer.body) == (200, b"hello")


async def test_the_copy_asks_the_same_rules(tmp_path: Path) -> None:
    """Who may see documentation and counters is not forgotten, also by the copy of a copy."""
    app = App("pages", transports=[Http(docs=signed_in, metrics=signed_in)])

    needs = [list(again(copy).transport(Http).needs) for copy in (app, again(app))]

    assert needs == [list(app.transport(Http).needs)] * 2
