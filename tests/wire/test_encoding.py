"""Content codings: the client chooses, small and unfit bodies stay plain, and every form has its own tag."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading

import brotli  # pyright: ignore[reportMissingTypeStubs]  # has none
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.encoding import (
    CODINGS,
    LARGEST_ON_LOOP_BYTES,
    Encoder,
    encoded_tag,
    is_compressible,
    plain_tag_value,
)

ENCODER = Encoder()


def decompress(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(body)
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompress(body)
    return bytes(brotli.decompress(body))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # no stubs


def test_gzip_is_always_there_and_comes_last() -> None:
    """Whatever is installed, gzip is offered, after those that do better."""
    assert ENCODER.codings[-1] == "gzip"
    assert set(ENCODER.codings) <= set(CODINGS)


def test_without_the_libraries_there_is_gzip() -> None:
    """Neither zstandard nor brotli is needed: what is not installed is not offered."""
    # None in sys.modules is how Python says "not installed".
    program = "import sys; sys.modules.update(zstandard=None, brotli=None); "
    program += "from antiphon.wire.encoding import Encoder; print(Encoder().codings, Encoder().negotiate('zstd, gzip'))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "('gzip',) gzip\n"


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, br", "br"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("*;q=0, gzip", "gzip"),
        ("zstd;q=0, br;q=0, *", "gzip"),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, *;q=0", None),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=x", None),
        ("gzip;q=2, br", "br"),
        ("deflate, compress", None),
        (",, ;q=1, gzip", "gzip"),
    ],
)
def test_the_client_chooses_the_coding(header: str | None, coding: str | None) -> None:
    """The highest weight wins, then our order; a weight of 0 forbids; without the header nothing is compressed."""
    assert ENCODER.negotiate(header) == coding


@given(st.text(max_size=60))
def test_any_header_chooses_a_coding_we_have_or_none(header: str) -> None:
    """Nothing a client sends breaks the choice."""
    assert ENCODER.negotiate(header) in (*ENCODER.codings, None)


@pytest.mark.parametrize("coding", ENCODER.codings)
@given(body=st.binary(max_size=5000))
def test_a_compressed_body_comes_back(coding: str, body: bytes) -> None:
    """Each coding gives the body again, and the same bytes for the same body."""
    compressed = ENCODER.compress(body, coding)

    assert decompress(compressed, coding) == body
    assert ENCODER.compress(body, coding) == compressed


@pytest.mark.parametrize("coding", ENCODER.codings)
def test_a_compressed_text_is_smaller(coding: str) -> None:
    """The levels do their work on an ordinary answer."""
    body = b'{"id": 1, "title": "something to do", "done": false}, ' * 100

    assert len(ENCODER.compress(body, coding)) < len(body) / 10


def test_gzip_says_no_time() -> None:
    """The time field of the gzip header is 0, so that equal bodies stay equal."""
    assert ENCODER.compress(b"x", "gzip")[4:8] == b"\0\0\0\0"


async def test_a_large_body_is_compressed_off_the_loop() -> None:
    """Above the bound the work leaves the loop's thread, and the result is the same."""
    threads: list[str] = []

    class Watched(Encoder):
        def compress(self, body: bytes, coding: str) -> bytes:
            threads.append(threading.current_thread().name)
            return super().compress(body, coding)

    here = threading.current_thread().name
    small, large = b"x" * LARGEST_ON_LOOP_BYTES, b"x" * (LARGEST_ON_LOOP_BYTES + 1)
    results = [await Watched().compress_off_loop(body, "gzip") for body in (small, large)]

    assert threads[0] == here != threads[1]
    assert [gzip.decompress(result) for result in results] == [small, large]


def test_an_unknown_coding_is_our_mistake() -> None:
    """Asking for what is not there names what is."""
    with pytest.raises(ValueError, match="gzip"):
        ENCODER.compress(b"", "deflate")


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/html; charset=utf-8", True),
        ("text/plain", True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/problem+json", True),
        ("text/event-stream", False),
        ("image/png", False),
        ("image/svg+json", False),
        ("application/zip", False),
        ("application/octet-stream", False),
        ("", False),
    ],
)
def test_only_text_and_json_are_compressed(content_type: str, expected: bool) -> None:
    """Text and JSON types are worth it; streams and what is compressed already are not."""
    assert is_compressible(content_type, 1024) is expected


def test_a_small_body_is_not_compressed() -> None:
    """From 1,024 bytes, and not one sooner."""
    assert [is_compressible("text/plain", size) for size in (0, 1023, 1024)] == [False, False, True]


@pytest.mark.parametrize("tag", ['"3"', 'W/"3"', '"op:1-2"'])
def test_a_compressed_form_adds_its_coding_to_the_tag(tag: str) -> None:
    """Forms with different bytes have different tags, weak ones stay weak, and each names the same version."""
    tags = {encoded_tag(tag, coding) for coding in CODINGS} | {tag}

    assert len(tags) == 4
    assert {plain_tag_value(one.partition('"')[2][:-1]) for one in tags} == {tag.partition('"')[2][:-1]}
    assert {one.startswith("W/") for one in tags} == {tag.startswith("W/")}


def test_a_tag_that_only_looks_encoded_is_left_alone() -> None:
    """Only the codings there are come off, and only one of them."""
    assert [plain_tag_value(value) for value in ("a-b", "gzip", "-gzip", "3-br-gzip")] == ["a-b", "gzip", "", "3-br"]


def test_a_flood_of_headers_is_still_answered() -> None:
    """More headers than are remembered change no answer."""
    encoder = Encoder()

    assert {encoder.negotiate(f"gzip, x-{number}") for number in range(500)} == {"gzip"}
