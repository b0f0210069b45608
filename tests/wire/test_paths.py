"""Paths: split before they are decoded, refused when they are ambiguous, and filled without surprises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.faults import WireFault
from antiphon.wire.paths import PathTemplate, content_disposition, fill, quote_segment, split_path
from antiphon.wire.percent import percent_decode

SEGMENT = st.text(min_size=1).filter(lambda text: text not in (".", "..") and "\0" not in text)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"/", [""]),
        (b"/user/5", ["user", "5"]),
        (b"/user/", ["user", ""]),
        (b"//user", ["", "user"]),
        (b"/a%2Fb/c", ["a/b", "c"]),
        (b"/gr%C3%BC%C3%9Fe", ["grüße"]),
        ("/grüße".encode(), ["grüße"]),
        (b"/a+b", ["a+b"]),
        (b"/.well-known/a..b/...", [".well-known", "a..b", "..."]),
    ],
)
def test_a_path_is_split_first_and_decoded_after(raw: bytes, segments: list[str]) -> None:
    """Each segment is decoded on its own, so an encoded slash stays inside it."""
    assert split_path(raw) == segments


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"",
            b"user",
            b"*",
            b"%41",
            b"\xff",
            b"/%",
            b"/%4",
            b"/%zz",
            b"/%ff",
            b"/\xff",
            b"/a\0",
            b"/%00",
            b"/%2",
            b"/user%c3",
        ),
        *(b"/.", b"/..", b"/a/./b", b"/a/../b", b"/%2e", b"/%2E%2e/a", b"/.%2e", b"/%2e."),
    ],
)
def test_an_unreadable_path_is_malformed(raw: bytes) -> None:
    """Bad encoding, bad UTF-8, NUL and dot segments are 400, also when they are encoded."""
    with pytest.raises(WireFault) as fault:
        split_path(raw)

    assert (fault.value.status, fault.value.type) == (400, "MALFORMED")


@pytest.mark.parametrize("segment", [b"a", b"%61"])
def test_a_path_has_at_most_so_many_segments(segment: bytes) -> None:
    """The last allowed segment is read and the one after it is 400, plain and encoded alike."""
    assert len(split_path((b"/" + segment) * 64)) == 64
    with pytest.raises(WireFault, match="64 segments"):
        split_path((b"/" + segment) * 65)


def test_the_bound_of_segments_is_a_parameter() -> None:
    """Another bound holds when it is given."""
    with pytest.raises(WireFault, match="2 segments"):
        split_path(b"/a/b/c", max_segments=2)


@given(st.binary(max_size=60))
def test_any_bytes_are_segments_or_malformed(raw: bytes) -> None:
    """No path ends in anything but segments or a 400."""
    status = 200
    try:
        split_path(b"/" + raw)
    except WireFault as fault:
        status = fault.status

    assert status in (200, 400)


@given(st.lists(SEGMENT, min_size=1, max_size=10))
def test_what_is_quoted_comes_back_as_the_same_segments(texts: list[str]) -> None:
    """Any text is one segment, whatever is in it, and comes back whole."""
    path = "".join("/" + quote_segment(text) for text in texts)

    assert split_path(path.encode("ascii")) == texts


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_no_segment_can_say_is_not_quoted(text: str) -> None:
    """Nothing and dots vanish from every client's address, so they are refused."""
    with pytest.raises(ValueError, match="cannot be a path segment"):
        quote_segment(text)


def test_a_template_is_filled_segment_by_segment() -> None:
    """Values are turned into text and encoded whole, slashes included."""
    assert fill("/user/{id}/files/{name}", {"id": 5, "name": "a/b ü"}) == "/user/5/files/a%2Fb%20%C3%BC"


def test_a_template_names_its_places_and_is_used_again() -> None:
    """One template fills any number of paths."""
    template = PathTemplate("/a/{x}.json")

    assert (template.names, template.fill({"x": 1}), template.fill({"x": 2})) == (("x",), "/a/1.json", "/a/2.json")


@pytest.mark.parametrize("values", [{}, {"id": None}, {"id": ""}, {"id": ".."}])
def test_a_place_without_a_value_is_refused(values: dict[str, object]) -> None:
    """A path is never filled with nothing: it would be another path."""
    with pytest.raises(ValueError, match="path"):
        fill("/user/{id}", values)


@pytest.mark.parametrize("text", ["/user/{", "/user/{1}", "/user/}", "/user/{a-b}"])
def test_a_brace_that_is_no_place_is_refused(text: str) -> None:
    """A slip in a template is found when it is made."""
    with pytest.raises(ValueError, match="brace"):
        PathTemplate(text)


def test_a_plain_file_name_is_said_twice() -> None:
    """A name that no client misreads is also there for clients that know only `filename`."""
    assert content_disposition("report 1.pdf") == (
        "attachment; filename*=UTF-8''report%201.pdf; filename=\"report 1.pdf\""
    )


@pytest.mark.parametrize("name", ["grüße.txt", 'a".txt', "a\\b", "a%41.txt", "a\r\nb", "a;b", ".profile", "a/b"])
def test_any_other_file_name_is_said_only_encoded(name: str) -> None:
    """A name that could end the header or be read in two ways stands only in `filename*`."""
    assert "filename=" not in content_disposition(name)


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_a_file_name_comes_back_from_its_header(name: str) -> None:
    """The header is visible ASCII and decodes to the name."""
    header = content_disposition(name)
    encoded = header.removeprefix("attachment; filename*=UTF-8''").partition(";")[0]

    assert header.isascii()
    assert header.isprintable()
    assert percent_decode(encoded.encode()) == name
