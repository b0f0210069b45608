"""What an operation answers: its own statuses, and those of the errors that can occur, no others.

error                                            when it is listed
NOT_SIGNED_IN, FORBIDDEN                         the rule is another than `anyone`
TOO_MANY_CALLS                                   it is under a limit
MALFORMED, INVALID_INPUT                         it has inputs
REQUEST_TIMEOUT, TOO_LARGE, UNSUPPORTED_…        it has a body
NOT_ACCEPTABLE                                   it streams
RANGE_NOT_SATISFIABLE                            it gives a file
those of `raises(...)`                           always; a Conflict of a call that writes is 412 with `If-Match`
CONFLICT, INVALID_INPUT, TOO_MANY_CALLS          it takes an `Idempotency-Key`
DEFECT, UNAVAILABLE, TIMED_OUT                   always
everything that any request can meet             `default`
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from itertools import groupby
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from antiphon.core.action import AnyAction
from antiphon.core.inputs.types import alternatives, is_struct, plain, without
from antiphon.core.results import Download
from antiphon.transports.base import ErrorEnvelope
from antiphon.transports.http.errors import JSON, PROBLEM, Problem
from antiphon.transports.http.openapi.errors import ErrorRow, Ground, errors_of, takes_key
from antiphon.transports.http.openapi.kinds import BINARY
from antiphon.transports.http.openapi.schemas import Node, Schemas
from antiphon.transports.http.routes import ETag, Route
from antiphon.transports.http.streams import EVENTS, LINES

FILE = "application/octet-stream"
DEFAULT = "Error"

HEADERS: Node = {
    "Content-Range": {"description": "Which bytes of how many these are.", "schema": {"type": "string"}},
    "Idempotent-Replayed": {
        "description": "`true`: this was answered before under the same key, and nothing was done now.",
        "schema": {"type": "string", "const": "true"},
    },
    "ETag": {"description": "The version of what is answered.", "schema": {"type": "string"}},
    "Location": {"description": "The path of what was made.", "schema": {"type": "string"}},
    "Retry-After": {"description": "The seconds after which to ask again.", "schema": {"type": "integer"}},
    "WWW-Authenticate": {"description": "How to say who asks.", "schema": {"type": "string"}},
}
_HEADERS_OF_ERRORS = {401: "WWW-Authenticate", 416: "Content-Range", 429: "Retry-After", 503: "Retry-After"}


class Responses:
    """The answers of the operations of one document; errors are described once and shared."""

    def __init__(self, schemas: Schemas, rows: Mapping[str, ErrorRow], ground: Ground) -> None:
        self._schemas = schemas
        self._rows = rows
        self.ground = ground
        self._envelope = schemas.of(ErrorEnvelope, "the error object")
        self._error_content: Node = {
            JSON: {"schema": self._envelope},
            PROBLEM: {"schema": schemas.of(Problem, "the problem details")},
        }
        self.components: dict[str, Node] = {
            DEFAULT: {
                "description": "What any request can meet, such as a path or a method that does not exist.",
                "content": self._error_content,
            }
        }

    def of(self, action: AnyAction, route: Route) -> Node:
        """The responses of one operation, by status."""
        found: dict[int, Node] = self._results(action, route)
        for status, rows in groupby(self._errors_of(action, route), key=lambda row: row.status):
            error = self._error(status, list(rows))
            found[status] = self._either(found[status], error) if status in found else error
        by_text = {str(status): found[status] for status in sorted(found)}
        return {**by_text, "default": _reference("responses", DEFAULT)}

    # Results

    def _results(self, action: AnyAction, route: Route) -> dict[int, Node]:
        owner = f"{action.where}: the result of {action.name}"
        if action.streams:
            item = self._schemas.of(action.result, owner)
            return {200: _response(200, content={kind: {"schema": item} for kind in (EVENTS, LINES[0])})}
        kinds = [plain(option) for option in alternatives(action.result)]
        found: dict[int, Node] = {}
        if Download in kinds:
            found |= _file_responses()
        nothing = NoneType in kinds
        content = self._content(action, kinds, owner)
        etag = action.trait(ETag) is not None
        replayed = ["Idempotent-Replayed"] if takes_key(action, self.ground) else []
        headers = [*replayed, *(["Location"] if route.location else []), *(["ETag"] if etag else [])]
        for status in documented_statuses(route):
            if nothing and (status == 200 or not content):
                empty = 204 if status == 200 else status
                found[empty] = _response(empty, headers=replayed)
            if content:
                found[status] = _response(status, content=content, headers=headers)
        if etag and route.safe:
            found[304] = _response(304, headers=["ETag"])
        return found

    def _content(self, action: AnyAction, kinds: list[Any], owner: str) -> Node:
        """The JSON of a result; nothing when it is never JSON."""
        if all(kind in (Download, NoneType) for kind in kinds):
            return {}
        # Bytes are sent as they are: JSON that the action has made itself.
        return {JSON: {"schema": {} if bytes in kinds else self._result(action.result, owner)}}

    def _result(self, annotation: Any, owner: str) -> Node:
        annotation = without(annotation, NoneType, Download)
        options = alternatives(annotation)
        if sum(map(_untagged, options)) > 1:
            # msgspec tells Structs apart by tag, also where it has only to list them.
            return {"anyOf": [self._schemas.of(option, owner) for option in options]}
        return self._schemas.of(annotation, owner)

    # Errors

    def _errors_of(self, action: AnyAction, route: Route) -> list[ErrorRow]:
        return errors_of(action, route, self._rows, self.ground)

    def _error(self, status: int, rows: list[ErrorRow]) -> Node:
        headers = [_HEADERS_OF_ERRORS[status]] if status in _HEADERS_OF_ERRORS else []
        name = "".join(word.capitalize() for row in rows for word in row.type.split("_"))
        if status != rows[0].status or self._rows[rows[0].type].status != status:
            name = "".join(HTTPStatus(status).phrase.split())
        described = " ".join(f"`{row.type}`: {row.message}" for row in rows)
        shared = {"description": described, **_headers(headers), "content": self._error_content}
        self.components.setdefault(name, shared)
        return _reference("responses", name)

    def _either(self, result: Node, error: Node) -> Node:
        """One status that is told of results and of errors alike, such as a 503 of a status page."""
        described = self.components[error["$ref"].rpartition("/")[2]]
        schema = {"anyOf": [result["content"][JSON]["schema"], self._envelope]}
        content = {**self._error_content, JSON: {"schema": schema}}
        return {**described, "description": f"The result, or {described['description']}", "content": content}


def documented_statuses(route: Route) -> tuple[int, ...]:
    """The statuses of results. A function of the result says them in its annotation: `-> Literal[200, 503]`."""
    if isinstance(route.status, int):
        return (route.status,)
    promised = plain(get_type_hints(route.status).get("return"))
    return tuple(sorted(get_args(promised))) if get_origin(promised) is Literal else (200,)


def _untagged(annotation: Any) -> bool:
    bare = plain(annotation)
    return is_struct(bare) and (get_origin(bare) or bare).__struct_config__.tag is None


def _file_responses() -> dict[int, Node]:
    content: Node = {FILE: {"schema": BINARY}}
    return {
        200: _response(200, content=content, headers=["ETag"]),
        206: _response(206, content=content, headers=["Content-Range", "ETag"]),
        304: _response(304, headers=["ETag"]),
    }


def _response(status: int, *, content: Node | None = None, headers: list[str] | None = None) -> Node:
    body = {"content": content} if content else {}
    return {"description": HTTPStatus(status).phrase, **_headers(headers or []), **body}


def _headers(names: list[str]) -> Node:
    return {"headers": {name: _reference("headers", name) for name in sorted(names)}} if names else {}


def _reference(kind: str, name: str) -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}
