"""What an operation takes: parameters of path, query and headers, and the body.

    input                              GET            PUT, POST, PATCH    DELETE
    named in the path                  path           path                path
    a secret, a file                   – (refused)    body                body
    any other                          query          body                query

HTTP would take the others from body and query alike; one of them is shown, and it is the one that people use.
"""

from __future__ import annotations

from types import NoneType
from typing import Any

from msgspec import UNSET

from antiphon.core.action import AnyAction
from antiphon.core.inputs.schema import InputField
from antiphon.core.inputs.types import is_structure, without
from antiphon.transports.http.openapi.places import shown_names
from antiphon.transports.http.openapi.schemas import Node, Schemas, json_default
from antiphon.transports.http.routes import Route

JSON = "application/json"
MULTIPART = "multipart/form-data"

IF_MATCH: Node = {
    "name": "If-Match",
    "in": "header",
    "description": "The version that this change is based on; when it is no longer the current one, nothing is done.",
    "required": False,
    "schema": {"type": "string"},
}
IF_NONE_MATCH: Node = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The entity tags of what the client has; when one of them is current, the answer is 304.",
    "required": False,
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: Node = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Names this call and every repeat of it: the first answer is kept, and given again with "
    "`Idempotent-Replayed`; nothing is done twice. The key belongs to this caller and this operation.",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


class Taken:
    """The inputs of one operation, sorted by where they travel."""

    def __init__(self, action: AnyAction, route: Route) -> None:
        self.action = action
        places = set(shown_names(route))
        grouped = set(route.names) - places
        self.path = [field for field in action.schema.fields if field.name in places]
        rest = [field for field in action.schema.fields if field.name not in places and field.name not in grouped]
        by_url = route.method in ("GET", "DELETE")
        self.body = [] if route.safe else [field for field in rest if field.secret or field.file or not by_url]
        self.query = [field for field in rest if by_url and not field.secret and not field.file]

    def parameters(self, schemas: Schemas) -> list[Node]:
        """The parameters of path and query."""
        path = [self._parameter(field, field.name, "path", schemas) for field in self.path]
        return [*path, *(self._parameter(field, field.wire, "query", schemas) for field in self.query)]

    def _parameter(self, field: InputField, name: str, where: str, schemas: Schemas) -> Node:
        required = where == "path" or field.required
        schema = self._schema(field, schemas, as_text=True, with_default=where != "path")
        parameter: Node = {"name": name, "in": where, "required": required}
        if is_structure(field.type):
            return {**parameter, "content": {JSON: {"schema": schema}}}
        return {**parameter, "schema": schema}

    def request_body(self, schemas: Schemas) -> Node | None:
        """The body in each form it may have; None when nothing travels there."""
        if not self.body:
            return None
        content: Node = {}
        plain = [field for field in self.body if not field.file]
        if not any(field.file and field.required for field in self.body):
            content[JSON] = {"schema": self._object(plain, schemas, as_text=False)}
        if len(plain) < len(self.body):
            content[MULTIPART] = {"schema": self._object(self.body, schemas, as_text=True)}
        return {"required": any(field.required for field in self.body), "content": content}

    def _object(self, fields: list[InputField], schemas: Schemas, *, as_text: bool) -> Node:
        properties = {field.wire: self._schema(field, schemas, as_text=as_text) for field in fields}
        required = [field.wire for field in fields if field.required]
        return {"type": "object", "properties": properties, **({"required": required} if required else {})}

    def _schema(self, field: InputField, schemas: Schemas, *, as_text: bool, with_default: bool = True) -> Node:
        """The schema of one input. A text cannot say `null`: an empty one means "not given"."""
        annotation = without(field.type, NoneType) if as_text else field.type
        more: dict[str, Any] = {}
        if field.secret:
            more["writeOnly"] = True
        elif with_default and not field.required and field.default is not UNSET:
            more.update({} if as_text and field.default is None else json_default(field.default))
        return schemas.of(annotation, f"{self.action.where}: the input {field.name} of {self.action.name}", **more)
