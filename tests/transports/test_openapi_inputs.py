"""The OpenAPI document says of each route what it takes: where, under which name, and within which bounds."""

from __future__ import annotations

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.transports.http.routes import get
from tests.transports.openapi_document import body, described, document, operation, parameter


def test_a_place_of_the_path_keeps_its_name() -> None:
    """Path parameters are called as the route writes them, and are required."""
    found = parameter(operation("get", "/api/person/{person_id}"), "person_id")
    assert found == {"name": "person_id", "in": "path", "required": True, "schema": {"type": "string"}}


def test_inputs_of_a_get_are_query_parameters() -> None:
    """They have their names on the wire, their bounds and defaults."""
    found = parameter(operation("get", "/api/person/{person_id}"), "withTags")
    assert found == {
        "name": "withTags",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
    }


def test_a_query_parameter_is_never_null() -> None:
    """A text cannot say `null`, so an input that takes it is one that may be left out."""
    found = parameter(operation("get", "/api/person/{person_id}"), "since")
    assert found["schema"] == {"type": "string", "format": "date-time"}


def test_a_structure_in_a_query_is_json() -> None:
    """It is given as a text of JSON."""
    found = parameter(operation("get", "/api/person/{person_id}"), "near")
    assert found["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Address"}}}


def test_inputs_of_a_delete_are_query_parameters() -> None:
    """A body of DELETE has no meaning that clients agree on."""
    found = operation("delete", "/api/person/{person_id}")
    assert parameter(found, "forGood")["in"] == "query"
    assert "requestBody" not in found


def test_a_body_names_what_is_required() -> None:
    """Inputs without a default are required; names are camelCase."""
    found = body(operation("put", "/api/person"))
    assert found["required"] == ["firstName", "email", "password"]
    assert list(found["properties"]) == ["firstName", "email", "password", "address", "tags", "bornAt"]


def test_a_body_has_bounds_and_defaults() -> None:
    """What the signature says of an input is in its schema."""
    found = body(operation("put", "/api/person"))["properties"]
    assert found["firstName"] == {"type": "string", "minLength": 1}
    assert found["tags"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert found["email"] == {"type": "string", "format": "email"}


def test_unset_is_no_default() -> None:
    """An input that may be left out without a value in its place has no default."""
    found = body(operation("put", "/api/person"))["properties"]["bornAt"]
    assert found == {"type": "string", "format": "date-time"}


def test_a_secret_is_only_written() -> None:
    """It has the bounds of what it holds, and no answer has it."""
    found = body(operation("put", "/api/person"))["properties"]["password"]
    assert found == {"type": "string", "minLength": 8, "maxLength": 99, "format": "password", "writeOnly": True}


def test_a_secret_inside_a_struct_is_only_written() -> None:
    """The same holds at any depth."""
    found = document()["components"]["schemas"]["Address"]["properties"]["doorCode"]
    secret = {"type": "string", "minLength": 8, "maxLength": 99, "format": "password", "writeOnly": True}
    assert found == {"anyOf": [secret, {"type": "null"}], "default": None}


def test_an_upload_is_a_form_with_files() -> None:
    """Where a file is required, JSON is not offered."""
    found = operation("post", "/api/photo")["requestBody"]["content"]
    assert list(found) == ["multipart/form-data"]
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    properties = found["multipart/form-data"]["schema"]["properties"]
    assert properties["photo"] == binary
    assert properties["more"]["items"] == binary


def test_a_union_of_structs_tells_them_apart_by_tag() -> None:
    """The discriminator names the schema of each tag."""
    found = body(operation("patch", "/api/person/{person_id}"))["properties"]["shape"]
    assert found["discriminator"]["mapping"]["circle"] == "#/components/schemas/Circle"


def test_a_default_that_json_cannot_say_is_left_out() -> None:
    """A document is never broken by a default."""

    @action("odd", get("/odd"), allow(anyone))
    async def odd(ctx: Context, number: float = float("inf")) -> None:
        """Odd."""

    found = parameter(described(odd)["paths"]["/api/odd"]["get"], "number")
    assert found["schema"] == {"type": "number"}
