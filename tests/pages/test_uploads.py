"""Files on the board, in a real browser: how far the server is with each, and what it says of it at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import FilePayload, expect

from antiphon import Websocket
from antiphon.modules.jobs.queues_actions import pause_queue, resume_queue
from antiphon.testing.app import TestApp
from tests.modules.test_pictures import PNG
from tests.pages.people import PATIENCE, Browsers, Person

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")

WATCH = """() => {
    window.told = [];
    const status = document.querySelector(".upload .status");
    const note = () => window.told.push(status.textContent);
    new MutationObserver(note).observe(status, { childList: true });
    note();
}"""


@pytest.fixture
async def browsers(chromium: str, olympus_served: TestApp) -> AsyncIterator[Browsers]:
    """A browser that is gone before Olympus is."""
    async with Browsers.start(chromium) as started:
        yield started


@pytest.fixture
async def ada(browsers: Browsers, olympus_served: TestApp) -> Person:
    """Somebody on the board."""
    person = await browsers.person("Ada Lovelace", f"http://127.0.0.1:{olympus_served.port}/board")
    await person.sign_up()
    return person


async def choose(person: Person, name: str, kind: str, data: bytes) -> None:
    """Choose a file in the box of the board."""
    await person.page.get_by_label("Upload a file").set_input_files(FilePayload(name=name, mimeType=kind, buffer=data))


async def test_an_upload_is_followed_to_its_end(ada: Person, olympus_served: TestApp) -> None:
    """While a job reads the file a bar shows how far it is; at the end there is the size of the picture."""
    await olympus_served.call(pause_queue, "files")
    await choose(ada, "lanterns.png", "image/png", PNG + bytes(3_000_000))
    upload, bar = ada.page.locator(".upload"), ada.page.get_by_role("progressbar", name="lanterns.png")
    await expect(upload.locator(".status")).to_have_text("Waiting for its turn…", timeout=PATIENCE)
    await expect(bar).to_be_visible()
    await ada.page.evaluate(WATCH)

    await olympus_served.call(resume_queue, "files")

    await expect(upload.locator(".status")).to_have_text("640 × 480 pixels", timeout=PATIENCE)
    told = await ada.page.evaluate("window.told")
    assert told[0] == "Waiting for its turn…"
    assert any(text.startswith("Reading… ") and text.endswith(" %") for text in told[1:-1]), told
    await expect(bar).to_be_hidden()
    await expect(ada.page.locator("#upload-note")).to_have_text("lanterns.png: 640 × 480 pixels")
    assert ada.errors == []


async def test_a_file_can_be_fetched_and_taken_off_the_list(ada: Person) -> None:
    """The name of an upload leads to its bytes; its button takes it off the page, and leaves the file."""
    await choose(ada, "notes.txt", "text/plain", b"Seven lanterns")
    await expect(ada.page.locator(".upload .status")).to_have_text("Checked and kept.", timeout=PATIENCE)

    async with ada.page.expect_download() as download:
        await ada.page.get_by_role("link", name="notes.txt").click()
    kept = await (await download.value).path()
    await ada.page.get_by_role("button", name="Take notes.txt off this list").click()

    assert kept.read_bytes() == b"Seven lanterns"
    await expect(ada.page.locator(".upload")).to_have_count(0)
    await expect(ada.page.get_by_label("Upload a file")).to_be_focused()


async def test_a_file_that_is_not_accepted_says_why(ada: Person) -> None:
    """What the server says no to is said beside the file's name, as text whatever that name is."""
    name = "<img src=x onerror=alert(1)>.exe"

    await choose(ada, name, "application/octet-stream", b"MZ")

    await expect(ada.page.locator(".upload .status")).to_have_text(
        "The file is of a type that is not accepted here.", timeout=PATIENCE
    )
    await expect(ada.page.locator(".upload .file")).to_have_text(name)
    assert await ada.page.locator(".upload img").count() == 0
    assert ada.errors == []


async def test_an_upload_outlives_its_connection(ada: Person, olympus_served: TestApp) -> None:
    """What a job did while the page was not connected is shown as soon as it is again."""
    await olympus_served.call(pause_queue, "files")
    await choose(ada, "lanterns.png", "image/png", PNG)
    await expect(ada.page.locator(".upload .status")).to_have_text("Waiting for its turn…", timeout=PATIENCE)

    await ada.page.context.set_offline(True)
    # A browser that was told to be offline may let an open socket live on.
    for client in [*olympus_served.app.transport(Websocket).desk.clients]:
        client.socket.abort()
    await expect(ada.page.locator("#state")).to_have_text("Offline", timeout=PATIENCE)
    await olympus_served.call(resume_queue, "files")
    await ada.page.context.set_offline(False)

    await expect(ada.page.locator(".upload .status")).to_have_text("640 × 480 pixels", timeout=PATIENCE)


@pytest.mark.parametrize("width", [320, 1440])
async def test_uploads_fit_into_every_window(ada: Person, width: int) -> None:
    """Nothing is wider than the window, however long the name of a file is."""
    await ada.page.set_viewport_size({"width": width, "height": 700})

    await choose(ada, f"{'a' * 200}.txt", "text/plain", b"Seven lanterns")

    await expect(ada.page.locator(".upload .status")).to_have_text("Checked and kept.", timeout=PATIENCE)
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
