"""Puts the document together: operations under their paths, what they share, and names that are unique.

Two starts of one version give the same bytes: actions are taken by name and not in the order in which modules were
gathered, nothing is taken from a set without sorting it, and no time, address or setting is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.traits import Deprecated
from antiphon.transports.http.openapi.errors import BARE, Ground, error_rows, takes_base, takes_key
from antiphon.transports.http.openapi.inputs import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, Taken
from antiphon.transports.http.openapi.places import shown_path
from antiphon.transports.http.openapi.responses import HEADERS, Responses
from antiphon.transports.http.openapi.schemas import Node, Schemas
from antiphon.transports.http.routes import ETag, Route

VERSION = "3.1.0"
_METHODS = ("GET", "PUT", "POST", "PATCH", "DELETE")
_SECURITY_SCHEMES: Node = {
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "The session of a browser, called `session` where it may go over plain http.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
}


def openapi(info: AppInfo, actions: Sequence[AnyAction], ground: Ground = BARE) -> bytes:
    """The OpenAPI 3.1 document of every action that has a route, as JSON; `ground` is what stands around them all.

    Raises SetupError, with the place, for a type that has no JSON Schema.
    """
    routed = sorted((action for action in actions if action.traits_of(Route)), key=lambda action: action.name)
    schemas = Schemas()
    responses = Responses(schemas, error_rows(routed), ground)
    paths: dict[str, dict[str, Node]] = {}
    for operation_id, action, route in _operations(routed):
        path, method = shown_path(route), route.method.lower()
        if method in paths.get(path, {}):
            # Two shapes can look the same once a regular expression is shown as a path; both must be seen.
            path = f"{path}#{operation_id}"
        paths.setdefault(path, {})[method] = _operation(operation_id, action, route, schemas, responses)
    order = {method.lower(): place for place, method in enumerate(_METHODS)}
    shown = {path: dict(sorted(paths[path].items(), key=lambda pair: order[pair[0]])) for path in sorted(paths)}
    document: Node = {
        "openapi": VERSION,
        "info": {"title": info.name, "version": info.version},
        "tags": [{"name": tag} for tag in sorted({_tag(action) for action in routed})],
        "paths": shown,
        "components": {
            "schemas": schemas.components(),
            "responses": dict(sorted(responses.components.items())),
            "headers": HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }
    return msgspec.json.encode(document)


def undescribed(info: AppInfo, actions: Sequence[AnyAction]) -> Iterator[tuple[AnyAction, str]]:
    """Every action that a document cannot be made with, and why."""
    for action in actions:
        try:
            openapi(info, [action])
        except SetupError as error:
            yield action, str(error)


def _operations(actions: Sequence[AnyAction]) -> Iterator[tuple[str, AnyAction, Route]]:
    """Every route of every action, with an id of its own: `userCreate`, then `userCreatePost`, `userCreatePost2`."""
    taken: set[str] = set()
    for action in actions:
        for route in action.traits_of(Route):
            plain = camel(action.name)
            by_method = plain + route.method.capitalize()
            number = 2
            found = by_method if plain in taken else plain
            while found in taken:
                found = f"{by_method}{number}"
                number += 1
            taken.add(found)
            yield found, action, route


def _operation(operation_id: str, action: AnyAction, route: Route, schemas: Schemas, responses: Responses) -> Node:
    taken = Taken(action, route)
    summary, _, description = action.description.partition("\n")
    deprecated = action.trait(Deprecated)
    if deprecated is not None:
        description = f"Deprecated: {deprecated.reason}\n\n{description.strip()}"
    parameters = taken.parameters(schemas)
    if takes_key(action, responses.ground):
        parameters.append(IDEMPOTENCY_KEY)
    if takes_base(action, route):
        parameters.append(IF_MATCH)
    if route.safe and action.trait(ETag) is not None:
        parameters.append(IF_NONE_MATCH)
    allow = action.trait(Allow)
    is_open = allow is not None and allow.open
    optional: Node = {
        "summary": summary,
        "description": description.strip(),
        "deprecated": deprecated is not None,
        "parameters": parameters,
        "requestBody": taken.request_body(schemas),
    }
    return {
        "operationId": operation_id,
        "tags": [_tag(action)],
        **{name: value for name, value in optional.items() if value},
        "responses": responses.of(action, route),
        "security": [] if is_open else [{"session": []}, {"bearer": []}],
    }


def _tag(action: AnyAction) -> str:
    return action.name.partition(":")[0]


def camel(name: str) -> str:
    """An action's name in camelCase: `user:create` is `userCreate`."""
    first, *rest = name.replace(":", "-").split("-")
    return first + "".join(word.capitalize() for word in rest)
