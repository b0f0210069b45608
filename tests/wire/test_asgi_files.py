"""Files through real ASGI servers: whole, in part, cut when they shrink, and let go in every case."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from antiphon.wire.pieces import CameUpShort, FilePieces
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, FileResponse
from tests.wire.stage import Stage, text

TYPE = [(b"content-type", b"application/octet-stream")]
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
LARGE = bytes(range(256)) * 4_000


class Sender:
    """Answers with a part of a file, and counts how often it was told that the answer is over."""

    def __init__(self, path: Path, offset: int, count: int, status: int = 200) -> None:
        self.path = path
        self.offset = offset
        self.count = count
        self.status = status
        self.over = 0

    def __call__(self, request: Request) -> Answer:
        return FileResponse(self.status, TYPE, self.path, self.offset, self.count, self._end)

    def _end(self) -> None:
        self.over += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of about a megabyte, which is four pieces."""
    file = tmp_path / "large.bin"
    file.write_bytes(LARGE)
    return file


def is_open(path: Path) -> bool:
    """Whether this process holds the file open."""
    return any(os.path.realpath(link).startswith(str(path)) for link in Path("/proc/self/fd").iterdir())


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are seen through /proc")


@pytest.mark.parametrize(
    ("offset", "count"),
    [
        pytest.param(0, len(LARGE), id="whole"),
        pytest.param(0, 262_144, id="one piece"),
        pytest.param(0, 262_145, id="one byte more"),
        pytest.param(1_000, 500_000, id="part"),
        pytest.param(len(LARGE) - 1, 1, id="last byte"),
        pytest.param(7, 0, id="nothing"),
    ],
)
async def test_a_part_of_a_file_is_sent_with_its_length(stage: Stage, path: Path, offset: int, count: int) -> None:
    """Exactly the bytes [offset, offset + count) are sent, and `on_sent` runs once."""
    stage.respond = sender = Sender(path, offset, count, 206)

    async with stage.connect() as client:
        answer = await client.get("/")
        stage.respond = lambda _: text("next")
        following = await client.get("/")

    assert (answer.status, answer.header("content-length")) == (206, str(count))
    assert answer.body == LARGE[offset : offset + count]
    assert (sender.over, following.body) == (1, b"next")


@needs_proc
async def test_a_file_is_closed_after_it_was_sent(stage: Stage, path: Path) -> None:
    """No descriptor stays open after an answer."""
    stage.respond = Sender(path, 0, len(LARGE))

    async with stage.connect() as client:
        await client.get("/")
    await wait_until(lambda: not is_open(path), "the file was never closed")


async def test_head_has_the_length_of_a_file_that_is_not_opened(stage: Stage, path: Path) -> None:
    """HEAD tells what GET would send without touching the file, and is over like any answer."""
    path.unlink()
    stage.respond = sender = Sender(path, 0, 1234)

    async with stage.connect() as client:
        head = await client.request("HEAD", "/")
        stage.respond = lambda _: text("next")
        following = await client.get("/")

    assert (head.status, head.header("content-length"), following.body) == (200, "1234", b"next")
    assert sender.over == 1


async def test_a_304_of_a_file_has_no_length_and_no_body(stage: Stage, path: Path) -> None:
    """A file that the client has already is not sent."""
    stage.respond = sender = Sender(path, 0, len(LARGE), 304)

    async with stage.connect() as client:
        answers = [await client.get("/") for _ in range(2)]

    await wait_until(lambda: sender.over == 2, "the answers were never over")

    assert [(answer.status, answer.header("content-length")) for answer in answers] == [(304, None)] * 2


async def test_a_file_that_is_gone_is_a_defect(stage: Stage, path: Path) -> None:
    """A file that cannot be opened is a 500 without its name, is reported, and is over."""
    stage.respond = sender = Sender(path, 0, len(LARGE))
    path.unlink()

    async with stage.connect() as client:
        answer = await client.get("/")
        stage.respond = lambda _: text("next")
        following = await client.get("/")

    assert (answer.status, json.loads(answer.body)["error"]["type"]) == (500, "DEFECT")
    assert path.name.encode() not in answer.body
    assert [type(defect) for defect in stage.claim()] == [FileNotFoundError]
    assert (sender.over, following.body) == (1, b"next")


async def test_a_file_too_short_from_the_start_is_a_defect(stage: Stage, path: Path) -> None:
    """When the first piece falls short already, nothing has left yet, and the answer is an honest 500."""
    stage.respond = Sender(path, len(LARGE) - 5, 10)

    async with stage.connect() as client:
        answer = await client.get("/")

    assert answer.status == 500
    assert [type(defect) for defect in stage.claim()] == [CameUpShort]


async def test_a_file_that_shrinks_meanwhile_ends_cut(stage: Stage, path: Path) -> None:
    """A file that ends before its announced length leaves an answer that nobody can take for whole."""
    stage.respond = sender = Sender(path, 0, len(LARGE) + 1)

    async with stage.connect() as client:
        with pytest.raises(BrokenAnswer):
            await client.get("/")
    await wait_until(lambda: sender.over, "the answer was never over")

    assert [type(defect) for defect in stage.claim()] == [CameUpShort]


async def test_a_file_that_is_replaced_meanwhile_is_not_mixed(stage: Stage, tmp_path: Path) -> None:
    """What was begun with one file is ended with it, also when another has taken its name."""
    path = tmp_path / "file.bin"
    path.write_bytes(b"a" * 20_000_000)
    new = tmp_path / "new.bin"
    new.write_bytes(b"b" * 20_000_000)
    stage.respond = Sender(path, 0, 20_000_000)

    async with stage.connect(receive_bytes=16_384) as client:
        await client.send(GET)
        await client.head()
        new.rename(path)
        body = await client.some(20_000_000)

    assert body == b"a" * 20_000_000


@needs_proc
async def test_a_client_that_leaves_lets_the_file_go(stage: Stage, tmp_path: Path) -> None:
    """When the client goes the file is closed, and `on_sent` runs once all the same."""
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(10**9)
    stage.respond = sender = Sender(path, 0, 10**9)

    async with stage.connect(receive_bytes=16_384) as client:
        await client.send(GET)
        await client.head()
        client.reset()
    await wait_until(lambda: sender.over, "the answer was never over")
    await wait_until(lambda: not is_open(path), "the file was never closed")

    assert sender.over == 1


async def test_an_on_sent_that_fails_is_reported(stage: Stage, path: Path) -> None:
    """A failure after the answer reaches nobody but the report."""

    def fail() -> None:
        raise RuntimeError("not removed")

    stage.respond = lambda _: FileResponse(200, TYPE, path, 0, 10, fail)

    async with stage.connect() as client:
        answers = [await client.get("/") for _ in range(2)]
    await wait_until(lambda: len(stage.reported) == 2, "the failures were never reported")

    assert [answer.body for answer in answers] == [LARGE[:10]] * 2
    assert {str(defect) for defect in stage.claim()} == {"not removed"}


@needs_proc
async def test_pieces_that_are_closed_while_a_thread_reads_close_the_file_afterwards(tmp_path: Path) -> None:
    """Closing never takes the descriptor from under the thread that reads; whoever is last closes it."""
    # Opening a FIFO waits for its other end: a read that is under way for as long as the test wants.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    pieces = FilePieces(fifo, 0, 10)
    reading = asyncio.create_task(pieces.begin())
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])

    pieces.close()
    fifo.open("wb").close()

    await wait_until(lambda: not is_open(fifo), "the file was never closed")
    assert reading.cancelled()
