"""Sniffing: a file is what it begins as, a disguise agrees with nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.sniff import ENOUGH_BYTES, agrees, sniff, type_of

HEADS = {
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "gif": b"GIF89a\1\0\1\0",
    "webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": b"PK\x03\x04\x14\0\0\0",
    "gz": b"\x1f\x8b\x08\0",
    "mp4": b"\0\0\0\x18ftypisom\0\0\2\0",
    "mov": b"\0\0\0\x14ftypqt  \0\0\0\0",
    "m4a": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "avif": b"\0\0\0\x20ftypavif\0\0\0\0",
    "mp3": b"ID3\4\0\0\0\0\0\0",
    "ogg": b"OggS\0\2",
    "wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "txt": "Grüße,\r\n\tan alle.\n".encode(),
    "csv": b"a,b\n1,2\n",
    "json": b'{"a": 1}',
    "md": b"# Title\n",
}


@pytest.mark.parametrize("extension", HEADS)
def test_a_file_agrees_with_its_own_extension(extension: str) -> None:
    """Every type on the list is recognised under its extension."""
    assert agrees(extension, sniff(HEADS[extension]))


@pytest.mark.parametrize("extension", ["png", "jpg", "gif", "webp", "pdf", "mp4", "mp3", "zip"])
def test_a_file_agrees_with_no_other_extension(extension: str) -> None:
    """A file under another's extension is a disguise."""
    others = [head for other, head in HEADS.items() if other != extension]

    assert not any(agrees(extension, sniff(head)) for head in others)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"PK\x05\x06", "application/zip"),
        (b"GIF87a", "image/gif"),
        (b"[1, 2]", "application/json"),
        (b' \n{ "a"', "application/json"),
        (b"\xef\xbb\xbf[]", "application/json"),
        (b"[section]\nkey=1", "text/plain"),
        (b"{not json}", "text/plain"),
        (b"", "text/plain"),
        (b"12", "text/plain"),
        (b"<3 you", "text/plain"),
        (b"a < b <script>", "text/plain"),
        (b"<!DOCTYPE html><p>", "text/html"),
        (b"\n <ScRiPt>alert(1)", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "text/xml"),
        (b"<?xml version='1.0'?><svg>", "text/xml"),
        (b"\xef\xbb\xbf<!-- x --><script>", "text/xml"),
        (b"\xff\xfea\0", None),
        (b"a\0b", None),
        (b"\x1b[31m", None),
        (b"caf\xe9 au lait", None),
        (b"MZ\x90\0", None),
        (b"\x7fELF\2", None),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"\0\0\0\x18ftyp3gp4", None),
        (b"RIFF raff", "text/plain"),
        (b"ID3,name\n1,a", "text/plain"),
        (b"the ftypist", "text/plain"),
    ],
)
def test_first_bytes_show_what_they_are_or_nothing(head: bytes, kind: str | None) -> None:
    """Signatures first, then text that is text throughout, then nothing."""
    assert sniff(head) == kind


@pytest.mark.parametrize("extension", ["svg", "html", "xml", "xhtml", "htm", "js", "exe", "", "png.exe"])
def test_what_a_browser_would_run_agrees_with_nothing(extension: str) -> None:
    """Markup, scripts and unknown extensions are never agreed to, whatever the content."""
    assert not any(agrees(extension, sniff(head)) for head in [*HEADS.values(), b"<svg>", b"<html>", b"<?xml?>"])


@pytest.mark.parametrize("head", [b"<html><script>", b"<svg onload=x>", b"<?xml?>"])
@pytest.mark.parametrize("extension", HEADS)
def test_markup_hides_behind_no_extension(extension: str, head: bytes) -> None:
    """A page that is called a picture or a text is refused."""
    assert not agrees(extension, sniff(head))


def test_extensions_are_read_in_any_case_and_with_their_dot() -> None:
    """What file names have is taken as it is."""
    assert agrees(".PNG", "image/png")
    assert type_of(".JPEG") == "image/jpeg"


def test_an_unknown_extension_has_no_type() -> None:
    """Nothing is guessed."""
    assert type_of("exe") is None
    assert not agrees("exe", None)


def test_an_office_file_is_stored_as_what_it_says() -> None:
    """It is a zip by its content and keeps its own type."""
    assert agrees("docx", "application/zip")
    assert str(type_of("docx")).endswith("wordprocessingml.document")


@given(st.integers(0, 3), st.characters(min_codepoint=0xA0, exclude_categories=("Cs",)))
def test_a_text_that_is_cut_is_still_text(before: int, character: str) -> None:
    """A head may end within a character, wherever the cut falls."""
    text = "x" * before + character * ENOUGH_BYTES

    assert sniff(text.encode()) == "text/plain"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_any_json_agrees_with_its_extension(value: object) -> None:
    """Whatever JSON a client writes, it may be called .json."""
    assert agrees("json", sniff(json.dumps(value).encode()))


@given(st.binary(max_size=64))
def test_any_bytes_show_something_or_nothing(head: bytes) -> None:
    """Nothing a client sends breaks it."""
    assert sniff(head) is None or "/" in str(sniff(head))
