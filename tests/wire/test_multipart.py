"""Forms with files: read the same however they arrive, bounded, and gone without a trace."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.wire.faults import WireFault
from antiphon.wire.multipart import MultipartForm, MultipartLimits, read_multipart, shown_name
from antiphon.wire.uploads import PIECE_BYTES

TYPE = "multipart/form-data; boundary=XXX"
END = b"--XXX--\r\n"


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--XXX\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def file_part(content: bytes, disposition: str = 'name="f"; filename="a.txt"', kind: str = "text/plain") -> bytes:
    return part(disposition, content, f"Content-Type: {kind}")


async def arriving(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(body: bytes, folder: Path, limits: MultipartLimits | None = None, kind: str = TYPE) -> MultipartForm:
    return await read_multipart(kind, arriving([body]), folder, limits)


def left_in(folder: Path) -> list[Path]:
    return [*folder.rglob("*")]


async def test_fields_and_files_are_read(tmp_path: Path) -> None:
    """Fields come as texts, files as what is known of them and where they are."""
    body = part('name="title"', "Grüße".encode()) + file_part(b"hello") + part('name="title"', b"") + END
    async with await read(body, tmp_path) as form:
        (file,) = form.files["f"]

        assert form.fields == {"title": ["Grüße", ""]}
        assert (file.name, file.content_type, file.sniffed, file.size_bytes) == ("a.txt", "text/plain", "text/plain", 5)
        assert file.sha256 == hashlib.sha256(b"hello").hexdigest()
        assert file.path.read_bytes() == b"hello"


async def test_closing_the_form_removes_its_files(tmp_path: Path) -> None:
    """After the call nothing is left, and closing twice is fine."""
    form = await read(file_part(b"1") + file_part(b"2") + END, tmp_path)
    assert len(form.files["f"]) == 2

    await form.close()
    await form.close()

    assert left_in(tmp_path) == []


async def test_a_file_that_is_kept_is_moved_away_first(tmp_path: Path) -> None:
    """Whoever keeps a file moves it; closing the form removes only what is still there."""
    async with await read(file_part(b"keep") + file_part(b"drop") + END, tmp_path / "incoming") as form:
        form.files["f"][0].path.rename(tmp_path / "kept")

    assert [(path.name, path.is_file()) for path in sorted(left_in(tmp_path))] == [("incoming", False), ("kept", True)]


async def test_a_form_without_files_touches_no_disk(tmp_path: Path) -> None:
    """Fields alone make no folder."""
    form = await read(part('name="a"', b"1") + END, tmp_path / "never")

    assert form.fields == {"a": ["1"]}
    assert left_in(tmp_path) == []


async def test_an_empty_form_is_a_form(tmp_path: Path) -> None:
    """No part at all is no fault."""
    form = await read(END, tmp_path)

    assert (form.fields, form.files) == ({}, {})


async def test_a_file_input_left_empty_is_not_given(tmp_path: Path) -> None:
    """What browsers send for it, no name and no bytes, is no file."""
    form = await read(file_part(b"", 'name="f"; filename=""', "application/octet-stream") + END, tmp_path)

    assert form.files == {}
    assert left_in(tmp_path) == []


async def test_an_empty_file_with_a_name_is_a_file(tmp_path: Path) -> None:
    """A file may have no bytes."""
    async with await read(file_part(b"") + END, tmp_path) as form:
        assert [file.size_bytes for file in form.files["f"]] == [0]


async def test_a_large_file_arrives_whole(tmp_path: Path) -> None:
    """A file of many pieces has every byte in its place, and the hash of all of them."""
    content = bytes(range(256)) * 4096 + b"end"
    body = file_part(content) + END
    chunks = [body[at : at + 65_521] for at in range(0, len(body), 65_521)]
    async with await read_multipart(TYPE, arriving(chunks), tmp_path) as form:
        (file,) = form.files["f"]

        assert len(content) > 3 * PIECE_BYTES
        assert file.path.read_bytes() == content
        assert file.sha256 == hashlib.sha256(content).hexdigest()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(0, 400)), content=st.binary(max_size=80) | st.just(b"\r\n--XX\r\n--XXX"))
def test_a_form_is_the_same_however_it_is_cut(tmp_path: Path, cuts: set[int], content: bytes) -> None:
    """The chunks in which a body arrives change nothing, not even after its end."""
    body = (
        part('name="a"', b"1") + file_part(content.replace(b"\r\n--XXX", b"")) + part('name="b"', b"2") + END + b"\r\n"
    )
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    chunks = [body[start:end] for start, end in itertools.pairwise(places)]

    async def arrive() -> tuple[dict[str, list[str]], bytes]:
        async with await read_multipart(TYPE, arriving(chunks), tmp_path) as form:
            return form.fields, form.files["f"][0].path.read_bytes()

    assert asyncio.run(arrive()) == ({"a": ["1"], "b": ["2"]}, content.replace(b"\r\n--XXX", b""))


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        f"multipart/form-data; boundary={'x' * 71}",
        'multipart/form-data; boundary="a\\"b"',
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=a; boundary=b",
        "",
    ],
)
async def test_a_missing_or_bad_boundary_is_malformed(tmp_path: Path, kind: str) -> None:
    """1 to 70 plain characters, said once; anything else is 400."""
    with pytest.raises(WireFault, match="boundary") as fault:
        await read(END, tmp_path, kind=kind)

    assert fault.value.status == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--XXX",
        b"--XXX\r\n",
        part('name="a"', b"1"),
        file_part(b"1"),
        file_part(b"1")[:-4],
        file_part(b"1") + b"--XXX-",
        part('name="a"', b"\xff") + END,
        part('name="a"', b"1", "Content-Type: text/plain; charset=utf-16") + END,
        part("", b"1") + END,
        part('name=""', b"1") + END,
        part('name="a"', b"1", 'Content-Disposition: form-data; name="b"') + END,
        part('name="a"', b"1", "no colon") + END,
        part('name="a"', b"1", "b@d name: 1") + END,
        part('name="a"', b"MQ==", "Content-Transfer-Encoding: base64") + END,
        part('name="a"', b"1", "Content-Length: 2") + END,
        b"--XXX\r\nContent-Type: text/plain\r\n\r\n1\r\n" + END,
        b"--XXX\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" + END,
        b"--XXX\r\nContent-Disposition: form-data; name=\xff\r\n\r\n1\r\n" + END,
        b"--XXX\nContent-Disposition: form-data; name=a\n\n1\n--XXX--",
        b"--XXX\r\nContent-Disposition: form-data; name=a\n\n1\n--XXX--",
        part('name="a"', b"1") + b"--XXXY\r\n",
    ],
)
async def test_a_malformed_form_is_refused_and_leaves_nothing(tmp_path: Path, body: bytes) -> None:
    """Truncated bodies, bad part headers and text that is not UTF-8 are 400, files before them included."""
    with pytest.raises(WireFault) as fault:
        await read(file_part(b"x" * 10) + body, tmp_path)

    assert fault.value.status == 400
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    "body", [b"", b"--XXX", b"--X", b"no boundary at all", b"preamble\r\n" + END, b"x" + END, b"\r\n\r\n" + END]
)
async def test_a_form_begins_with_its_boundary(tmp_path: Path, body: bytes) -> None:
    """Nothing stands before it but one empty line; anything else is 400."""
    with pytest.raises(WireFault) as fault:
        await read(body, tmp_path)

    assert fault.value.status == 400


async def test_an_empty_line_before_the_boundary_is_allowed(tmp_path: Path) -> None:
    """Some clients send one."""
    form = await read(b"\r\n" + part('name="a"', b"1") + END, tmp_path)

    assert form.fields == {"a": ["1"]}


LIMITS = MultipartLimits(parts=3, field_bytes=100, header_bytes=200, file_bytes=1000)


@pytest.mark.parametrize(
    "body",
    [
        part('name="a"', b"x" * 100),
        file_part(b"x" * 1000),
        part('name="a"', b"") * 2,
        part('name="a"', b"", "X-A: " + "x" * 100),
    ],
)
async def test_a_form_at_its_limits_is_read(tmp_path: Path, body: bytes) -> None:
    """The last byte, part and header that fit are taken."""
    async with await read(file_part(b"x") + body + END, tmp_path, LIMITS) as form:
        assert form.fields or form.files


@pytest.mark.parametrize(
    "body",
    [
        part('name="a"', b"x" * 101),
        file_part(b"x" * 1001),
        part('name="a"', b"") * 3,
        part('name="a"', b"", "X-A: " + "x" * 200),
        part('name="a"', b"", "X-A: " + "x" * 90, "X-B: " + "x" * 90),
        part('name="a"', b"", *(f"X-{number}: 1" for number in range(8))),
    ],
)
async def test_a_form_over_a_limit_is_too_large_and_leaves_nothing(tmp_path: Path, body: bytes) -> None:
    """One byte, part or header more is 413, and the files that had arrived are gone."""
    with pytest.raises(WireFault) as fault:
        await read(file_part(b"x") + body + END, tmp_path, LIMITS)

    assert (fault.value.status, fault.value.type) == (413, "TOO_LARGE")
    assert left_in(tmp_path) == []


async def test_a_file_over_its_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """The rest of a file that is too large is not asked for."""
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        yield file_part(b"")[:-2]
        while True:
            asked += 1
            yield b"x" * 100

    with pytest.raises(WireFault):
        await read_multipart(TYPE, endless(), tmp_path, LIMITS)

    assert asked == 11
    assert left_in(tmp_path) == []


async def test_a_body_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """When the body raises, the files are removed and the error goes on."""

    async def breaking() -> AsyncIterator[bytes]:
        yield file_part(b"whole") + file_part(b"x" * 2 * PIECE_BYTES)[:-4]
        assert left_in(tmp_path) != []
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await read_multipart(TYPE, breaking(), tmp_path)

    assert left_in(tmp_path) == []


async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    """A client that goes away while its file arrives leaves no file."""
    written, never = asyncio.Event(), asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield file_part(b"x" * 2 * PIECE_BYTES)[:-4]
        written.set()
        await never.wait()

    upload = asyncio.create_task(read_multipart(TYPE, stalling(), tmp_path))
    await written.wait()
    assert left_in(tmp_path) != []
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload

    assert left_in(tmp_path) == []


async def test_an_upload_cancelled_within_a_write_leaves_nothing(tmp_path: Path) -> None:
    """A write under way ends before its file is removed, however often the call is cancelled."""
    begun = asyncio.Event()

    async def arriving_whole() -> AsyncIterator[bytes]:
        begun.set()
        yield b"".join(file_part(b"x" * 2 * PIECE_BYTES) for _ in range(20)) + END

    for turns in range(12):
        begun.clear()
        upload = asyncio.create_task(read_multipart(TYPE, arriving_whole(), tmp_path))
        await begun.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        upload.cancel()
        await asyncio.sleep(0)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

        assert left_in(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A broken disk is no fault of the client's: the error is the system's."""
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(OSError, match="file"):
        await read(file_part(b"1") + END, blocked)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('name="f"; filename="a.txt"', "a.txt"),
        ("name=f; filename=a.txt", "a.txt"),
        ('name="f"; filename="grüße.txt"', "grüße.txt"),
        ("name=\"f\"; filename*=UTF-8''gr%C3%BC%C3%9Fe.txt", "grüße.txt"),
        ('name="f"; filename="old.txt"; filename*=utf-8\'de\'neu%20.txt', "neu .txt"),
        ('name="f"; filename="old.txt"; filename*=UTF-8\'\'%ff', "old.txt"),
        ('name="f"; filename="old.txt"; filename*=latin-1\'\'x', "old.txt"),
        ('name="f"; filename="; filename*=UTF-8\'\'x"', "; filename*=UTF-8''x"),
        ('name="f"; filename="a%22b.txt"', 'a"b.txt'),
        ('name="f"; filename="../../etc/passwd"', "../../etc/passwd"),
    ],
)
async def test_the_clients_name_is_kept_as_it_was_sent(tmp_path: Path, disposition: str, name: str) -> None:
    """`filename*` counts when it can be read; the name decides nothing about where the file is."""
    async with await read(file_part(b"x", disposition) + END, tmp_path) as form:
        (file,) = form.files["f"]

        assert file.name == name
        assert file.path.parent.parent == tmp_path


async def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    """What the client calls it and what it is are both told."""
    async with await read(file_part(b"<svg onload=x>", kind="image/png") + END, tmp_path) as form:
        (file,) = form.files["f"]

        assert (file.content_type, file.sniffed) == ("image/png", "text/xml")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\Ada\\a.txt", "a.txt"),
        ("a\0b\r\n.txt", "ab.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066a\u2069\u061c\u200e.txt", "a.txt"),
        ("  a b.txt  ", "a b.txt"),
        ("", "file"),
        ("a/", "file"),
        ("..", "file"),
        (".\x00.", "file"),
        (" . ", "file"),
        ("\u202e", "file"),
        ("x" * 300, "x" * 255),
        ("ü" * 200, "ü" * 127),
        ("x" + "😀" * 100, "x" + "😀" * 63),
        ("👩\u200d💻.txt", "👩\u200d💻.txt"),
    ],
)
def test_a_shown_name_is_safe_to_show(name: str, shown: str) -> None:
    """No path, no control, no mark of direction, at most 255 bytes, and never nothing."""
    assert shown_name(name) == shown


@given(st.text() | st.text(alphabet="./\\\0\u202e x", max_size=12))
def test_any_name_can_be_shown(name: str) -> None:
    """Whatever a client sends, the shown name is fit for every file system and changes no more."""
    shown = shown_name(name)

    assert 1 <= len(shown.encode()) <= 255
    assert shown not in (".", "..")
    assert not set(shown) & set("/\\\0\r\n\u202e\u2028")
    assert shown_name(shown) == shown
