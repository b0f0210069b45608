"""Collects the types that a document mentions, and describes all of them at once, so that each has one name.

A type that is asked for gets an empty schema, which stands in the document already and is filled at the end: only
then is known which of two classes with the same name must be called by its full one.
"""

from __future__ import annotations

from typing import Any, get_origin

import msgspec

from antiphon.core.errors import SetupError
from antiphon.core.inputs.types import encode_kind
from antiphon.transports.http.openapi.kinds import schema_of_kind, shown, structs_in

type Node = dict[str, Any]
"""A part of the document."""


class Schemas:
    """The schemas of one document."""

    def __init__(self) -> None:
        self._wanted: list[tuple[Any, Node, str]] = []

    def of(self, annotation: Any, owner: str, **more: Any) -> Node:
        """The schema of a type, filled by `components`. `owner` is whose type it is, for errors; `more` is kept."""
        schema: Node = dict(more)
        self._wanted.append((shown(annotation), schema, owner))
        return schema

    def components(self) -> dict[str, Node]:
        """Fill every schema that was asked for. Gives those that have names, by name."""
        members = self._special_fields()
        wanted = [annotation for annotation, _, _ in self._wanted]
        more = [annotation for struct, _, field in members for annotation in (struct, field)]
        try:
            described, components = _describe([*wanted, *more])
        except TypeError as error:
            raise self._indescribable() or SetupError(f"A type has no JSON Schema: {error}") from error
        for (_, schema, _), found in zip(self._wanted, described, strict=False):
            kept = dict(schema)
            schema.clear()
            schema.update(found | kept)
        rest = iter(described[len(wanted) :])
        for (_, name, _), struct, field in zip(members, rest, rest, strict=True):
            properties = components[struct["$ref"].rpartition("/")[2]]["properties"]
            kept = {"default": properties[name]["default"]} if "default" in properties[name] else {}
            properties[name] = {**field, **kept}
        return dict(sorted(components.items()))

    def _special_fields(self) -> list[tuple[Any, str, Any]]:
        """The fields of Structs that hold one of our kinds: the Struct, the name on the wire, the type to show."""
        found: list[tuple[Any, str, Any]] = []
        seen: set[Any] = set()
        for annotation, _, _ in self._wanted:
            for struct in structs_in(annotation, seen):
                if (get_origin(struct) or struct).__struct_config__.array_like:
                    continue
                for field in msgspec.structs.fields(struct):
                    replaced = shown(field.type)
                    if replaced is not field.type:
                        found.append((struct, field.encode_name, replaced))
        return found

    def _indescribable(self) -> SetupError | None:
        """The error for the one type that cannot be described: those of all together do not say whose it is."""
        for annotation, _, owner in self._wanted:
            try:
                _describe([annotation])
            except TypeError as error:
                return SetupError(f"{owner} has a type without a JSON Schema: {error}")
        return None


def _describe(annotations: list[Any]) -> tuple[tuple[Node, ...], dict[str, Node]]:
    return msgspec.json.schema_components(
        annotations, schema_hook=schema_of_kind, ref_template="#/components/schemas/{name}"
    )


def json_default(default: object) -> Node:
    """The default of an input as the document says it; nothing for one that JSON cannot say, such as a secret."""
    try:
        said = msgspec.json.decode(msgspec.json.encode(default, enc_hook=encode_kind))
    except (TypeError, ValueError):
        return {}
    # Infinity has no form in JSON, and is written as null.
    return {} if said is None and default is not None else {"default": said}
