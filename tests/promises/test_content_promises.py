"""Content: what people upload and write is kept as it came, shown as what it is, and never taken for anything else."""

from __future__ import annotations

import struct
import zlib
from time import monotonic

import pytest

from antiphon import Id
from antiphon.testing.app import HOST
from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus

pytestmark = [
    pytest.mark.lasting_keys("{jobs.*", "{known}*"),
    # What is on disk and on the wire is the same on every database.
    pytest.mark.parametrize("database_server", ["sqlite"], indirect=True),
]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
TEXT = b"Sing, goddess, of the anger of Achilles.\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><html><script>alert(1)</script></html>"


def png(width: int, height: int) -> bytes:
    """The beginning of a picture that says it is this large."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def gif(width: int, height: int) -> bytes:
    """The same, as a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3) + b"\x3b"


def jpeg(width: int, height: int, *, before: bytes = b"") -> bytes:
    """The same, as a JPEG; what comes before its frame is passed over."""
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width)
    return b"\xff\xd8\xff\xe0\x00\x04ab" + before + frame + bytes(10)


# Files that say they are something else

DISGUISED = [
    ("photo.png", HTML),
    ("photo.png", SVG),
    ("photo.jpg", PNG),
    ("photo.svg", SVG),
    ("page.html", HTML),
    ("page.xhtml", b'<?xml version="1.0"?><html/>'),
    ("notes.txt", SVG),
    ("notes.txt", b"MZ\x90\x00\x03" + bytes(32)),
    ("notes.csv", HTML),
    ("data.json", HTML),
    ("photo.png.exe", b"MZ\x90\x00" + bytes(32)),
    ("program.sh", b"#!/bin/sh\nrm -rf /\n"),
    ("paper.pdf", b"GIF89a" + bytes(32)),
    ("archive.zip", b"%PDF-1.7\n"),
    ("song.mp3", HTML),
    ("film.mp4", PNG),
    ("noname", PNG),
    (".png", HTML),
    ("photo.png\u202egnp", PNG),
]


async def test_a_disguised_file_is_refused(olympus: Olympus) -> None:
    """Name and bytes that do not agree, and types that a browser runs, are a 422; nothing of them is kept."""
    ada = await olympus.person("Ada")

    for name, data in DISGUISED:
        answer = await ada.client.upload("/api/file", name, data)
        assert (name, answer.status, answer.error["fields"][0]["name"]) == (name, 422, "file")

    assert not olympus.kept()


NOTE = b"\xff\xe1\xff\xff" + bytes(65_533)
BOMBS = [
    ("a.png", png(40_000, 1_001)),
    ("b.png", png(2**31 - 1, 2**31 - 1)),
    ("c.png", png(1, 40_000_001)),
    ("d.gif", gif(65_535, 65_535)),
    # The screen grows to the image.
    ("e.gif", gif(1, 1)[:-1] + b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x00\x3b"),
    ("f.jpg", jpeg(65_535, 65_535)),
    ("g.jpg", jpeg(65_535, 65_535, before=NOTE * 20)),
    ("h.jpg", jpeg(65_535, 65_535, before=b"!")),
]


async def test_a_pixel_bomb_is_refused(olympus: Olympus) -> None:
    """A picture of few bytes that says it has more than 40 megapixels is a 422, before anybody decodes it."""
    ada = await olympus.person("Ada")

    for name, data in BOMBS:
        answer = await ada.client.upload("/api/file", name, data)
        assert (name, answer.status, "pixels" in answer.error["fields"][0]["message"]) == (name, 422, True)

    assert not olympus.kept()


async def test_a_picture_that_does_not_say_its_size_is_refused(olympus: Olympus) -> None:
    """A decoder may find one all the same, and it may be any."""
    ada = await olympus.person("Ada")

    for name, data in [
        ("a.png", PNG),
        ("b.gif", gif(1, 1)[:-1] + b"?"),
        ("c.jpg", jpeg(0, 0)),
        ("d.jpg", jpeg(1, 1)[:9]),
    ]:
        answer = await ada.client.upload("/api/file", name, data)
        assert (name, answer.status, answer.error["fields"][0]["message"]) == (
            name,
            422,
            "is a picture that does not say how large it is",
        )

    assert not olympus.kept()


async def test_a_large_picture_within_the_bound_is_kept(olympus: Olympus) -> None:
    """Forty megapixels are a picture."""
    ada = await olympus.person("Ada")

    answer = await ada.client.upload("/api/file", "large.png", png(40_000, 1_000))

    assert answer.status == 201


# Names


NAMES = [
    ("../../../../etc/passwd.txt", "passwd.txt"),
    ("..\\..\\windows\\win.txt", "win.txt"),
    ("/etc/cron.d/evil.txt", "evil.txt"),
    ("C:\\autoexec.txt", "autoexec.txt"),
    ("\u202etxt.exe.txt", "txt.exe.txt"),
    ("a\u2066b\u2069\u200f.txt", "ab.txt"),
    ("a\x01\x1b[31mb.txt", "a[31mb.txt"),
    ("%2e%2e%2fa.txt", "%2e%2e%2fa.txt"),
]


async def test_a_name_never_becomes_a_path(olympus: Olympus) -> None:
    """A name loses folders, controls and marks of direction; on disk the file has a name of ours, and leads nowhere."""
    ada = await olympus.person("Ada")

    for name, shown in NAMES:
        answer = await ada.client.upload("/api/file", name, TEXT)
        assert (answer.status, answer.json["name"]) == (201, shown)
        back = await ada.client.get(f"/api/file/{answer.json['id']}")
        said = back.header("content-disposition") or ""
        assert back.body == TEXT
        assert said.startswith("attachment; filename")
        assert all(" " <= letter <= "~" for letter in said)

    assert len(olympus.kept()) == len(NAMES)
    assert all(kept.is_relative_to(olympus.files) and Id.fits(kept.name) for kept in olympus.kept())


async def test_a_long_name_is_cut(olympus: Olympus) -> None:
    """A shown name ends at 255 bytes, between two characters, and still says what the file is."""
    ada = await olympus.person("Ada")

    answer = await ada.client.upload("/api/file", f"{'ö' * 400}.txt", TEXT)

    assert (answer.status, answer.json["name"]) == (201, f"{'ö' * 125}.txt")


async def test_a_download_is_never_shown_as_a_page(olympus: Olympus) -> None:
    """Whatever it is: an attachment, in a sandbox, of the type that it was kept under, and for its owner alone."""
    ada, eve = await olympus.person("Ada"), await olympus.person("Eve")
    file = (await ada.client.upload("/api/file", "notes.txt", TEXT)).json

    answer = await ada.client.get(f"/api/file/{file['id']}?type=text/html&name=a.html")

    said = answer.header("content-disposition") or ""
    assert said == "attachment; filename*=UTF-8''notes.txt; filename=\"notes.txt\""
    assert answer.header("content-security-policy") == "sandbox"
    assert answer.header("x-content-type-options") == "nosniff"
    assert (answer.header("content-type") or "").startswith("text/plain")
    assert (await eve.client.get(f"/api/file/{file['id']}")).status == 404


# Uploads that break off


async def test_an_upload_that_breaks_off_leaves_nothing(olympus: Olympus) -> None:
    """A client that leaves in the middle of its file leaves no byte on disk and no row."""
    ada = await olympus.person("Ada")
    cookie = "; ".join(f"{name}={value}" for name, value in ada.client.cookies.items())
    head = (
        f"POST /api/file HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 5000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    )
    async with RawHttp.to(HOST, olympus.running.port) as connection:
        await connection.send(head.encode() + TEXT * 40_000)
        await wait_until(lambda: olympus.kept() != [], "the upload never began")

    await wait_until(lambda: olympus.kept() == [], "the upload was never removed")
    assert (await ada.client.upload("/api/file", "a.txt", TEXT)).status == 201
    assert len(olympus.kept()) == 1


# Texts


HOSTILE = "Robert'); DROP TABLE messages;-- \" ` \\ %s :x $1 ${x} {0} <b>&amp;"


async def test_sql_in_a_text_is_text(olympus: Olympus) -> None:
    """What would end a statement, fill a template or close a tag is kept and given back as it came, everywhere."""
    mallory = await olympus.person("Mallory")
    await mallory.client.request("PATCH", f"/api/user/{mallory.id}", {"name": HOSTILE})

    posted = await mallory.client.put("/api/message", {"body": HOSTILE})
    listed = await mallory.client.get("/api/messages/list")
    uploaded = await mallory.client.upload("/api/file", "a.txt", TEXT, description=HOSTILE)

    assert (posted.status, posted.json["body"]) == (201, HOSTILE)
    assert [each["body"] for each in listed.json["messages"]] == [HOSTILE]
    assert uploaded.json["description"] == HOSTILE


async def test_what_steers_a_list_is_checked(olympus: Olympus) -> None:
    """Page and limit are numbers, or the call is refused before the database hears of it."""
    ada = await olympus.person("Ada")

    for query in ("limit=1;DROP", "page=1'--", "limit=1%20OR%201=1", "page=%00"):
        assert (await ada.client.get(f"/api/messages/list?{query}")).status == 422


LONG = 60_000
"""Nearly as much text as an input may have."""

PATIENCE_SECONDS = 30.0
"""A pattern of quadratic time would need minutes, a linear one moments."""


HEAVY = ["a", "a@", "a.", " ", "\t\n", "(", "-", "@a."]


async def test_no_pattern_takes_long_on_a_long_text(olympus: Olympus) -> None:
    """A long text in every input of signing up and signing in is refused at once."""
    started = monotonic()

    for piece in HEAVY:
        text = (piece * LONG)[:LONG]
        answer = await olympus.client().put("/api/user", {"name": text, "email": text, "password": text})
        signed = await olympus.client().put("/api/session", {"email": text, "password": text})
        assert (answer.status, signed.status) == (422, 422)

    assert monotonic() - started < PATIENCE_SECONDS
