"""Content types: read as they are meant, and chosen as the client asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.media import MediaType, is_json, parse_media_type, prefers

JSON, PROBLEM = "application/json", "application/problem+json"
STREAMS = ["text/event-stream", "application/jsonl", "application/x-ndjson"]


@pytest.mark.parametrize(
    ("text", "media"),
    [
        ("text/plain", MediaType("text", "plain", {})),
        ("Text/HTML; Charset=UTF-8", MediaType("text", "html", {"charset": "UTF-8"})),
        ('multipart/form-data; boundary="a;b"', MediaType("multipart", "form-data", {"boundary": "a;b"})),
        (" text/plain ;;a=1 ; ", MediaType("text", "plain", {"a": "1"})),
    ],
)
def test_a_content_type_is_read(text: str, media: MediaType) -> None:
    """Names come in lower case, quoted parameters without their quotes."""
    assert parse_media_type(text) == media


@pytest.mark.parametrize(
    "text", ["", "text", "text/", "/plain", "a/b/c", "te xt/plain", "text/plain; a", "a/b;x=1;x=2"]
)
def test_a_malformed_content_type_is_none(text: str) -> None:
    """What cannot be read in one way is not read."""
    assert parse_media_type(text) is None


def test_a_content_type_names_its_essence_and_charset() -> None:
    """The essence is without parameters; the charset is in lower case."""
    media = parse_media_type("text/html; charset=UTF-8")

    assert media is not None
    assert (media.essence, media.charset) == ("text/html", "utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("application/json", True),
        ("Application/JSON", True),
        ("application/json; charset=utf-8", True),
        ('application/json;charset="UTF-8";v=1', True),
        ("application/vnd.api+json", True),
        ("application/json; charset=latin-1", False),
        ("application/jsonl", False),
        ("text/json", False),
        ("text/plain", False),
        ("application/json, text/plain", False),
        ("application/x-json+xml", False),
        ("", False),
    ],
)
def test_json_is_told_from_everything_else(text: str, expected: bool) -> None:
    """JSON is `application/json` or `application/*+json`, in UTF-8, with any other parameter."""
    assert is_json(text) is expected


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (PROBLEM, PROBLEM),
        ("Application/Problem+JSON", PROBLEM),
        (f"{PROBLEM}, {JSON}", PROBLEM),
        (f"{JSON}, {PROBLEM}", JSON),
        (f"{JSON};q=0.9, {PROBLEM}", PROBLEM),
        (f"{PROBLEM};q=0.5, {JSON};q=0.6", JSON),
        (f"{PROBLEM}, */*", PROBLEM),
        (f"{PROBLEM}, */*;q=0.1", PROBLEM),
        (f"{PROBLEM};q=0.1, */*", JSON),
        (f"*/*, {JSON};q=0", PROBLEM),
        (f"{JSON}; charset=utf-8", JSON),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", JSON),
        ("text/html, image/gif, *; q=.2, */*; q=.2", JSON),
        ("garbage", JSON),
        (f"garbage;;;, {PROBLEM}", PROBLEM),
        (f"{JSON};q=x, {PROBLEM};q=0.1", PROBLEM),
        ("text/html", None),
        ("*/*;q=0", None),
        (f"{JSON};q=0, {PROBLEM};q=0.000", None),
        (f"{JSON};v=2", None),
    ],
)
def test_the_client_chooses_the_form_of_an_error(accept: str | None, chosen: str | None) -> None:
    """The highest weight wins, then the more exact name, then the earlier one, then ours; q=0 forbids."""
    assert prefers(accept, [JSON, PROBLEM]) == chosen


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/event-stream"),
        ("text/event-stream", "text/event-stream"),
        ("application/jsonl", "application/jsonl"),
        ("application/x-ndjson, */*", "application/x-ndjson"),
        ("text/*;q=0.5, application/*", "application/jsonl"),
        ("application/json", None),
    ],
)
def test_the_client_chooses_the_form_of_a_stream(accept: str | None, chosen: str | None) -> None:
    """Events unless the client prefers lines."""
    assert prefers(accept, STREAMS) == chosen


def test_parameters_of_an_offer_are_matched() -> None:
    """A range with a parameter fits only an offer that has it, and beats the range without."""
    offered = ["text/html;level=2", "text/html;level=1"]

    assert prefers("text/html;q=0.7, text/html;level=1", offered) == "text/html;level=1"


def test_an_offer_that_is_no_content_type_is_our_mistake() -> None:
    """A slip in what we offer is found at once."""
    with pytest.raises(ValueError, match="no content type"):
        prefers("text/html", ["json"])


@given(st.text(max_size=60))
def test_any_header_chooses_one_of_the_offers_or_none(accept: str) -> None:
    """Nothing a client sends breaks the choice."""
    assert prefers(accept, STREAMS) in (*STREAMS, None)
