"""`serve --reload`: a changed file is served, no connection is refused meanwhile, open streams come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from tests.faults.crew_process import PATIENCE
from tests.faults.http_process import AppProcess

APP = """
from __future__ import annotations

from antiphon import App, Http
import words

app = App("reloading", modules=[words], transports=[Http()])

if __name__ == "__main__":
    app.main()
"""
MODULE = """
from antiphon import Module

Module(__name__)
"""
ACTIONS = """
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from antiphon import Context, Struct, action, allow, anyone, get


class Word(Struct):
    text: str


@action("word:view", get("/word"), allow(anyone))
async def view_word(ctx: Context) -> Word:
    '''Say a word.'''
    return Word("WORD")


@action("word:stream", get("/words"), allow(anyone))
async def stream_words(ctx: Context) -> AsyncIterator[Word]:
    '''Say one and wait.'''
    yield Word("WORD")
    await asyncio.Event().wait()
"""


class Project:
    """A small application in a folder, as a person writes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "words").mkdir()
        (folder / "words" / "__init__.py").write_text(MODULE)
        (folder / "app.py").write_text(APP)
        self.write("first")

    def write(self, word: str) -> None:
        """Save the actions with this word in them."""
        (self.folder / "words" / "actions.py").write_text(ACTIONS.replace("WORD", word))

    def break_it(self) -> None:
        """Save something that is no Python."""
        (self.folder / "words" / "actions.py").write_text("def broken(:\n")

    @asynccontextmanager
    async def serve(self) -> AsyncGenerator[AppProcess]:
        """Serve it and reload."""
        environ = {"ANTIPHON_ENV": "development", "LOG_LEVEL": "info"}
        async with AppProcess.run(
            self.folder, environ, flags=["--reload"], program=["app.py"], within=self.folder
        ) as app:
            yield app


async def word(app: AppProcess) -> str:
    """What it says now. A connection that is refused is a failure."""
    return json.loads((await app.ask("GET", "/api/word")).body)["text"]


async def says(app: AppProcess, wanted: str) -> None:
    """Wait until it says this."""

    async def said() -> bool:
        return await word(app) == wanted

    await wait_until(said, f"it never said {wanted}: {app.said}", within=PATIENCE)


async def test_a_change_is_served_and_nobody_is_refused(tmp_path: Path) -> None:
    """While the new process starts the old one answers, on the same port."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()
        assert await word(app) == "first"
        port = app.port

        project.write("second")
        await says(app, "second")

        assert app.said.count("address ") == 1
        assert app.port == port
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0
    assert "reload    on changes of" in app.said


async def test_an_open_stream_is_told_to_come_back(tmp_path: Path) -> None:
    """It ends with `retry:`, and the next one is of the new program."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()
        async with app.connect() as old:
            await old.send(b"GET /api/words HTTP/1.1\r\nHost: test\r\n\r\n")
            await old.head()
            assert b'"first"' in await old.chunk()

            project.write("second")
            await says(app, "second")
            assert await old.chunk() == b"retry: 2000\n\n"
            assert await old.chunk() == b""

        async with app.connect() as new:
            await new.send(b"GET /api/words HTTP/1.1\r\nHost: test\r\n\r\n")
            await new.head()
            assert b'"second"' in await new.chunk()


async def test_a_broken_file_is_told_and_the_next_change_is_served(tmp_path: Path) -> None:
    """Until it is mended the last program that worked answers."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()

        project.break_it()
        await wait_until(lambda: "Waiting for the next change" in app.said, "it was never told", within=PATIENCE)
        assert "SyntaxError" in app.said
        assert "actions.py" in app.said
        assert await word(app) == "first"

        project.write("third")
        await says(app, "third")


async def test_a_program_that_is_broken_from_the_start_is_served_once_it_is_mended(tmp_path: Path) -> None:
    """The fault is told, and a change begins anew."""
    project = Project(tmp_path)
    project.break_it()
    async with project.serve() as app:
        await wait_until(lambda: "Waiting for a change" in app.said, "it was never told", within=PATIENCE)
        assert "SyntaxError" in app.said

        project.write("first")
        await app.listens()
        await says(app, "first")


async def test_settings_are_watched(tmp_path: Path) -> None:
    """A settings file that appears counts at once."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()
        assert (await app.ask("GET", "/docs")).status == 200

        (tmp_path / "settings.toml").write_text("[http]\ndocs = false\n")

        async def off() -> bool:
            return (await app.ask("GET", "/docs")).status == 404

        await wait_until(off, "the setting never counted", within=PATIENCE)


async def test_a_new_file_is_noticed(tmp_path: Path) -> None:
    """Also one that was not there when the server started."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()
        text = ACTIONS.replace("word:", "other:").replace('"/word', '"/other').replace("WORD", "new")
        (tmp_path / "words" / "others.py").write_text(text)

        async def there() -> bool:
            with suppress(BrokenAnswer):
                return (await app.ask("GET", "/api/other")).status == 200
            return False

        await wait_until(there, "the new file never counted", within=PATIENCE)


async def test_a_stop_while_a_new_process_starts_is_a_stop(tmp_path: Path) -> None:
    """Both end, and the exit code is 0."""
    project = Project(tmp_path)
    async with project.serve() as app:
        await app.listens()
        project.write("second")
        await wait_until(lambda: "crew.reloading" in app.said, "it never noticed", within=PATIENCE)
        app.send(Signals.SIGTERM)
        assert await asyncio.wait_for(app.ended(), PATIENCE) == 0
