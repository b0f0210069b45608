"""Every bound of the table of bounds: its setting, its number, and the test that crosses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
from msgspec import Meta, inspect

from antiphon import Context, action, allow, anyone
from antiphon.core.action import AnyAction
from antiphon.core.inputs.contents import MOST_DIGITS, MOST_ITEMS, MOST_TEXT, walk
from antiphon.core.settings import Settings
from antiphon.modules.files.storage import FileSettings
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.database.settings import DatabaseSettings
from antiphon.services.identity import api_keys, form
from antiphon.services.limits.settings import LimitSettings
from antiphon.stores.redis import RedisSettings
from antiphon.transports.http.settings import HttpSettings, bounds_of
from antiphon.transports.websocket.settings import WebsocketSettings
from olympus.app import app
from tests.named_tests import functions_in

TESTS = Path(__file__).parents[1]
KIB, MIB, GIB = 1024, 1024**2, 1024**3


class Bound(NamedTuple):
    """A cell of the table: what is bounded, where its number stands, and the test that crosses it.

    `where` is None for a number that stands nowhere but in what it bounds: the test that crosses it knows it.
    """

    name: str
    where: type[Settings] | int | None
    number: int | timedelta
    file: str
    test: str

    @property
    def found(self) -> object:
        """The number that holds when nobody says otherwise."""
        return getattr(self.where(), self.name) if isinstance(self.where, type) else self.where


def seconds(number: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=number)


HTTP = "transports/test_http_limits.py"
SOCKETS = "transports/test_websocket_limits.py"
TIMES = "wire/server/test_timeouts.py"
UPLOADS = "transports/test_http_uploads.py"
INPUTS = "transports/test_http_inputs.py"
HANDSHAKE = "transports/test_websocket_handshake.py"
DECLARED = "core/test_inputs_bounds.py"
FILES = "modules/test_files.py"
HERE = "promises/test_bounds.py"
DATABASE = "services/test_database_time.py"
KEYS = "transports/test_idempotency_http.py"

ROWS: Mapping[str, Sequence[Bound]] = {
    "URL; one header; all headers; their count; cookies": [
        Bound("url_bytes", HttpSettings, 8 * KIB, HTTP, "test_a_request_line_over_its_bound_is_414_and_close"),
        Bound("one_header_bytes", HttpSettings, 8 * KIB, HTTP, "test_headers_over_their_bounds_are_431_and_close"),
        Bound("header_bytes", HttpSettings, 32 * KIB, HTTP, "test_headers_over_their_bounds_are_431_and_close"),
        Bound("header_count", HttpSettings, 100, HTTP, "test_headers_over_their_bounds_are_431_and_close"),
        Bound("cookie_bytes", HttpSettings, 8 * KIB, HTTP, "test_cookies_over_their_bound_are_431"),
    ],
    "head complete; body complete; slowest body; answer not read; idle": [
        Bound("header_time", HttpSettings, seconds(10), TIMES, "test_half_a_head_is_told_and_closed"),
        Bound("body_time", HttpSettings, seconds(60), HTTP, "test_a_body_that_does_not_arrive_is_408_and_close"),
        Bound("body_rate_bytes", HttpSettings, KIB, TIMES, "test_a_body_that_trickles_is_told_and_closed"),
        Bound(
            "rate_after_seconds",
            int(bounds_of(HttpSettings()).rate_after_seconds),
            5,
            TIMES,
            "test_a_body_that_trickles_is_told_and_closed",
        ),
        Bound(
            "stall_time",
            HttpSettings,
            seconds(60),
            "wire/server/test_flow.py",
            "test_a_client_that_takes_nothing_is_given_up",
        ),
        Bound("idle_time", HttpSettings, seconds(75), HTTP, "test_an_idle_connection_is_closed_silently"),
    ],
    "JSON body; multipart parts; one text field; path segments": [
        Bound("body_bytes", HttpSettings, MIB, HTTP, "test_a_body_over_its_bound_is_413"),
        Bound("multipart_parts", HttpSettings, 100, UPLOADS, "test_the_bounds_of_a_form_are_413"),
        Bound("field_bytes", HttpSettings, 64 * KIB, UPLOADS, "test_the_bounds_of_a_form_are_413"),
        Bound("path_segments", HttpSettings, 64, "transports/test_http_routing.py", "test_too_many_segments_are_400"),
    ],
    "JSON depth; values of one name; array items; text and digits without their own bound": [
        Bound("json_depth", HttpSettings, 64, INPUTS, "test_json_is_bounded_in_depth"),
        Bound(
            "json_depth",
            WebsocketSettings,
            64,
            "transports/test_websocket_calls.py",
            "test_params_are_bounded_in_depth",
        ),
        Bound("values", HttpSettings, 1_000, INPUTS, "test_values_of_one_name_are_bounded"),
        Bound("array items", MOST_ITEMS, 1_000, DECLARED, "test_a_collection_has_a_bound"),
        Bound("text", MOST_TEXT, 64 * KIB, DECLARED, "test_a_text_has_a_bound"),
        Bound("digits", MOST_DIGITS, 100, DECLARED, "test_digits_have_a_bound"),
    ],
    "calls at once; connections per process; per address (not of a trusted proxy)": [
        Bound("calls", HttpSettings, 1_000, HTTP, "test_calls_over_their_number_are_503_with_retry_after"),
        Bound("connections", HttpSettings, 20_000, HTTP, "test_connections_over_their_number_are_503_and_closed"),
        Bound(
            "per_address",
            HttpSettings,
            200,
            "wire/server/test_connections.py",
            "test_an_address_has_only_so_many_connections",
        ),
    ],
    "sockets per user; anonymous per address; time to sign in": [
        Bound("per_user", WebsocketSettings, 20, HANDSHAKE, "test_a_user_has_a_bounded_number_of_sockets"),
        Bound(
            "per_address",
            WebsocketSettings,
            100,
            HANDSHAKE,
            "test_an_address_has_a_bounded_number_of_anonymous_sockets",
        ),
        Bound(
            "sign_in_time",
            WebsocketSettings,
            seconds(10),
            SOCKETS,
            "test_an_anonymous_socket_is_closed_when_nobody_signs_in",
        ),
    ],
    "socket: frame before and after inflating; frames; calls; topics; waiting": [
        Bound("frame_bytes", WebsocketSettings, 64 * KIB, SOCKETS, "test_a_frame_over_its_limit_closes"),
        Bound("frame_bytes", WebsocketSettings, 64 * KIB, SOCKETS, "test_the_limit_holds_after_inflating"),
        Bound("frames", WebsocketSettings, 20, SOCKETS, "test_more_frames_than_the_burst_are_refused"),
        Bound("burst", WebsocketSettings, 40, SOCKETS, "test_more_frames_than_the_burst_are_refused"),
        Bound(
            "calls",
            WebsocketSettings,
            16,
            "transports/test_websocket_side_by_side.py",
            "test_one_more_call_than_may_run_is_refused",
        ),
        Bound("topics", ChannelSettings, 100, SOCKETS, "test_a_socket_watches_a_bounded_number_of_topics"),
        Bound(
            "queue_bytes",
            WebsocketSettings,
            MIB,
            "transports/test_websocket_slow.py",
            "test_a_reply_or_an_event_too_many_is_too_slow",
        ),
        Bound(
            "queue_frames",
            WebsocketSettings,
            1_024,
            "services/test_channels_outbox.py",
            "test_a_full_queue_overflows_by_frames",
        ),
    ],
    "file; body with files; image; per user": [
        Bound("file_bytes", HttpSettings, 10 * MIB, UPLOADS, "test_a_file_over_its_bound_is_413_and_leaves_nothing"),
        Bound("upload_bytes", HttpSettings, 25 * MIB, UPLOADS, "test_a_file_over_its_bound_is_413_and_leaves_nothing"),
        Bound("file_bytes", FileSettings, 10 * MIB, FILES, "test_a_full_quota_is_too_large"),
        Bound(
            "image_pixels",
            FileSettings,
            40_000_000,
            "promises/test_content_promises.py",
            "test_a_pixel_bomb_is_refused",
        ),
        Bound("user_bytes", FileSettings, GIB, FILES, "test_a_full_quota_is_too_large"),
        Bound("user_count", FileSettings, 10_000, FILES, "test_a_full_quota_is_too_large"),
    ],
    "call; database statement; connection wait; store command": [
        Bound("call_time", HttpSettings, seconds(30), HTTP, "test_a_call_over_its_time_is_504"),
        Bound("statement_time", DatabaseSettings, seconds(5), DATABASE, "test_a_statement_ends_with_its_time"),
        Bound("wait", DatabaseSettings, seconds(2), DATABASE, "test_without_a_free_connection_a_call_is_told_in_time"),
        Bound(
            "command_time",
            RedisSettings,
            seconds(1),
            "stores/test_store.py",
            "test_a_store_that_hangs_is_unavailable_when_the_time_is_up",
        ),
        Bound(
            "store_time",
            LimitSettings,
            seconds(0.02),
            "services/test_limits_together.py",
            "test_a_store_that_hangs_is_not_waited_for",
        ),
    ],
    "page size; filters; sort keys; search text": [
        Bound("page size", None, 100, "modules/test_messages.py", "test_a_page_that_cannot_be_is_refused"),
        Bound("page size", None, 100, HERE, "test_no_list_gives_more_than_a_page"),
        Bound("filters", None, 10, HERE, "test_no_list_takes_more_filters_or_keys"),
        Bound("sort keys", None, 3, HERE, "test_no_list_takes_more_filters_or_keys"),
        Bound("search text", None, 100, HERE, "test_no_list_takes_more_filters_or_keys"),
    ],
    "token; API key; Idempotency-Key": [
        Bound(
            "token", form.LARGEST_BYTES, 8 * KIB, "services/test_identity_refusals.py", "test_other_texts_are_refused"
        ),
        Bound(
            "API key",
            api_keys.LARGEST_BYTES,
            128,
            "services/test_identity_tokens.py",
            "test_a_text_that_is_no_key_is_never_looked_up",
        ),
        Bound("Idempotency-Key", None, 255, KEYS, "test_what_is_no_key_is_422"),
        Bound("Idempotency-Key", None, 255, KEYS, "test_the_longest_key_is_one"),
    ],
}
"""The table of bounds, row by row. Those of GraphQL stand in a table of their own."""

NUMBERED = [bound for row in ROWS.values() for bound in row if bound.where is not None]


@pytest.mark.parametrize("bound", NUMBERED, ids=lambda bound: f"{bound.name}-{bound.test}")
def test_a_bound_has_its_number(bound: Bound) -> None:
    """The number that holds by itself is the one of the table."""
    assert bound.found == bound.number


@pytest.mark.parametrize("row", ROWS)
def test_every_cell_is_crossed_by_a_test_that_is_there(row: str) -> None:
    """Each bound of the row names a test function that exists."""
    missing = [
        f"{bound.file}::{bound.test}" for bound in ROWS[row] if bound.test not in functions_in(TESTS / bound.file)
    ]

    assert not missing


# Lists. Their bounds are inputs of actions, and so part of each signature.


type Size = Annotated[int, Meta(ge=1, le=100)]
type Few = Annotated[list[str], Meta(max_length=10)]
type Words = Annotated[str, Meta(min_length=2, max_length=100)]


class _Input(NamedTuple):
    action: str
    name: str
    nodes: list[Any]

    def __str__(self) -> str:
        return f"{self.action}.{self.name}"


def _inputs(actions: Iterable[AnyAction], *names: str) -> Iterator[_Input]:
    for each in actions:
        for field in each.schema.fields:
            if field.name in names:
                yield _Input(each.name, field.name, [node for node, _ in walk(inspect.type_info(field.type))])


def _pages(actions: Iterable[AnyAction]) -> list[_Input]:
    return [*_inputs(actions, "limit", "page_size", "first", "last")]


def larger_pages(actions: Iterable[AnyAction]) -> list[str]:
    """The inputs that call for more than a page."""
    return [
        str(each)
        for each in _pages(actions)
        for node in each.nodes
        if isinstance(node, inspect.IntType) and not _ends(node, 100)
    ]


def longer_lists(actions: Iterable[AnyAction]) -> list[str]:
    """The inputs that take more filters, sort keys or text to search for than they should."""
    actions = [*actions]
    over = [each for each in _inputs(actions, "filter", "filters", "where") if not _has(each, inspect.ListType, 10)]
    over += [each for each in _inputs(actions, "sort", "order_by") if not _has(each, inspect.ListType, 3)]
    over += [each for each in _inputs(actions, "search", "q") if not _has(each, inspect.StrType, 100, least=2)]
    return [str(each) for each in over]


def test_no_list_gives_more_than_a_page() -> None:
    """Whatever an action calls the size of a page, it is 100 at most."""
    assert _pages(app.gathered().actions)
    assert larger_pages(app.gathered().actions) == []


def test_no_list_takes_more_filters_or_keys() -> None:
    """Ten filters, three sort keys, and a search text of 2 to 100 characters are the most that any list takes."""
    assert longer_lists(app.gathered().actions) == []


def test_a_list_without_bounds_is_found() -> None:
    """An action that forgets them is named, input by input; one that has them is not."""

    @action("planted:list", allow(anyone))
    async def planted(ctx: Context, limit: int, filters: list[str], sort: list[str], search: str) -> None:
        """Nothing."""

    @action("bounded:list", allow(anyone))
    async def bounded(ctx: Context, limit: Size, filters: Few, search: Words) -> None:
        """Nothing."""

    both = [planted, bounded]
    assert larger_pages(both) == ["planted:list.limit"]
    assert longer_lists(both) == ["planted:list.filters", "planted:list.sort", "planted:list.search"]


def _ends(node: inspect.IntType, most: int) -> bool:
    return node.le is not None and node.le <= most


def _has(given: _Input, kind: type[inspect.ListType | inspect.StrType], most: int, least: int = 0) -> bool:
    return any(
        isinstance(node, kind) and (node.max_length or most + 1) <= most and (node.min_length or 0) >= least
        for node in given.nodes
    )
