"""The OpenAPI document says of each route what it takes and answers: no more, no less, and always in the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from antiphon.core.access import allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.module import gather
from antiphon.transports.http.openapi.document import openapi
from antiphon.transports.http.routes import get, put
from tests.transports import openapi_actions

INFO = AppInfo("people", "1.2.3", "test", Path("var"))
ERROR = {"$ref": "#/components/schemas/ErrorEnvelope"}

PRINT_DOCUMENT = """
import sys
from tests.transports.test_openapi import INFO, actions, openapi
sys.stdout.buffer.write(openapi(INFO, actions()))
"""


def actions() -> list[AnyAction]:
    """The actions that the document is about."""
    return gather([openapi_actions]).actions


def described(*given: AnyAction) -> dict[str, Any]:
    """The document of these actions."""
    return json.loads(openapi(INFO, given))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of all actions of every kind."""
    return described(*actions())


def operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    """One operation of a document."""
    return document["paths"][path][method]


def parameter(operation: dict[str, Any], name: str) -> dict[str, Any]:
    """One parameter of an operation."""
    return next(parameter for parameter in operation["parameters"] if parameter["name"] == name)


def body(operation: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    """The schema of a body."""
    return operation["requestBody"]["content"][kind]["schema"]


def statuses(operation: dict[str, Any]) -> list[str]:
    """The statuses that an operation can answer."""
    return list(operation["responses"])


def references(node: Any) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(node, dict):
        for name, value in node.items():  # pyright: ignore[reportUnknownVariableType]  # it comes from JSON
            if name == "$ref":
                yield value
            yield from references(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]  # it comes from JSON
            yield from references(value)


# The document as a whole


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """A validator of OpenAPI 3.1 has nothing to say against the document."""
    faults = [str(fault) for fault in OpenAPIV31SpecValidator(document).iter_errors()]
    assert faults == []
    assert document["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Whatever the document refers to is in it."""
    for reference in set(references(document)):
        node = document
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


def test_two_processes_write_the_same_bytes() -> None:
    """The document does not depend on the order of sets, which each process has its own of."""
    written = [
        subprocess.run(
            [sys.executable, "-c", PRINT_DOCUMENT],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert written[0] == written[1] == openapi(INFO, actions())


def test_the_order_of_actions_does_not_matter() -> None:
    """Modules may be gathered in any order: the bytes are the same."""
    assert openapi(INFO, actions()) == openapi(INFO, actions()[::-1])


def test_the_document_is_called_as_the_application(document: dict[str, Any]) -> None:
    """Title and version are those of the application."""
    assert document["info"] == {"title": "people", "version": "1.2.3"}


def test_an_action_without_a_route_is_left_out(document: dict[str, Any]) -> None:
    """What HTTP does not answer is not in its document."""
    ids = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    assert "inner" not in ids


def test_an_application_without_routes_has_a_valid_document() -> None:
    """Nothing to describe is no error."""
    OpenAPIV31SpecValidator(described()).validate()


# Names and words


def test_an_operation_is_called_after_its_action(document: dict[str, Any]) -> None:
    """`person:create` is `personCreate`, tagged `person`."""
    found = operation(document, "put", "/api/person")
    assert (found["operationId"], found["tags"]) == ("personCreate", ["person"])


def test_every_operation_has_an_id_of_its_own(document: dict[str, Any]) -> None:
    """An action with two routes gives two ids, the second with its method, a third with a number."""
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
    assert {"personEdit", "personEditPost", "personView", "personViewGet"} <= set(ids)


def test_two_names_that_look_alike_get_different_ids() -> None:
    """`user-list` and `user:list` are both `userList` in camelCase, and stay apart."""

    async def nothing(ctx: Context) -> None:
        """Nothing."""

    names = ("user-list", "user:list", "userlist")
    made: list[AnyAction] = [action(name, get(f"/{place}"), allow(anyone))(nothing) for place, name in enumerate(names)]
    ids = [operation["get"]["operationId"] for operation in described(*made)["paths"].values()]
    assert ids == ["userList", "userListGet", "userlist"]


def test_the_docstring_is_summary_and_description(document: dict[str, Any]) -> None:
    """Its first line is the summary, the rest the description."""
    found = operation(document, "put", "/api/person")
    assert (found["summary"], found["description"]) == ("Register somebody.", "The address may follow later.")


def test_a_deprecated_action_says_so(document: dict[str, Any]) -> None:
    """It is marked, with the reason."""
    found = operation(document, "delete", "/api/person/{person_id}")
    assert found["deprecated"] is True
    assert found["description"] == "Deprecated: Use person:edit."


def test_a_regular_expression_is_shown_as_a_path(document: dict[str, Any]) -> None:
    """Its named groups are places, whatever is in them, and it stands outside the prefix when the route does."""
    found = operation(document, "get", "/page/{year}-{slug}.html")
    assert [(each["name"], each["in"]) for each in found["parameters"]] == [("year", "path"), ("slug", "path")]


# Inputs


def test_a_place_of_the_path_keeps_its_name(document: dict[str, Any]) -> None:
    """Path parameters are called as the route writes them, and are required."""
    found = parameter(operation(document, "get", "/api/person/{person_id}"), "person_id")
    assert found == {"name": "person_id", "in": "path", "required": True, "schema": {"type": "string"}}


def test_inputs_of_a_get_are_query_parameters(document: dict[str, Any]) -> None:
    """They have their names on the wire, their bounds and defaults."""
    found = parameter(operation(document, "get", "/api/person/{person_id}"), "withTags")
    assert found == {
        "name": "withTags",
        "in": "query",
        "required": False,
        "schema": {"type": "boolean", "default": False},
    }


def test_a_query_parameter_is_never_null(document: dict[str, Any]) -> None:
    """A text cannot say `null`, so an input that takes it is one that may be left out."""
    found = parameter(operation(document, "get", "/api/person/{person_id}"), "since")
    assert found["schema"] == {"type": "string", "format": "date-time"}


def test_a_structure_in_a_query_is_json(document: dict[str, Any]) -> None:
    """It is given as a text of JSON."""
    found = parameter(operation(document, "get", "/api/person/{person_id}"), "near")
    assert found["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Address"}}}


def test_inputs_of_a_delete_are_query_parameters(document: dict[str, Any]) -> None:
    """A body of DELETE has no meaning that clients agree on."""
    found = operation(document, "delete", "/api/person/{person_id}")
    assert parameter(found, "forGood")["in"] == "query"
    assert "requestBody" not in found


def test_a_body_names_what_is_required(document: dict[str, Any]) -> None:
    """Inputs without a default are required; names are camelCase."""
    found = body(operation(document, "put", "/api/person"))
    assert found["required"] == ["firstName", "email", "password"]
    assert list(found["properties"]) == ["firstName", "email", "password", "address", "tags", "bornAt"]


def test_a_body_has_bounds_and_defaults(document: dict[str, Any]) -> None:
    """What the signature says of an input is in its schema."""
    found = body(operation(document, "put", "/api/person"))["properties"]
    assert found["firstName"] == {"type": "string", "minLength": 1}
    assert found["tags"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert found["email"] == {"type": "string", "format": "email"}


def test_unset_is_no_default(document: dict[str, Any]) -> None:
    """An input that may be left out without a value in its place has no default."""
    found = body(operation(document, "put", "/api/person"))["properties"]["bornAt"]
    assert found == {"type": "string", "format": "date-time"}


def test_a_secret_is_only_written(document: dict[str, Any]) -> None:
    """It has the bounds of what it holds, and no answer has it."""
    found = body(operation(document, "put", "/api/person"))["properties"]["password"]
    assert found == {"type": "string", "minLength": 8, "maxLength": 99, "format": "password", "writeOnly": True}


def test_a_secret_inside_a_struct_is_only_written(document: dict[str, Any]) -> None:
    """The same holds at any depth."""
    found = document["components"]["schemas"]["Address"]["properties"]["doorCode"]
    secret = {"type": "string", "minLength": 8, "maxLength": 99, "format": "password", "writeOnly": True}
    assert found == {"anyOf": [secret, {"type": "null"}], "default": None}


def test_an_upload_is_a_form_with_files(document: dict[str, Any]) -> None:
    """Where a file is required, JSON is not offered."""
    found = operation(document, "post", "/api/photo")["requestBody"]["content"]
    assert list(found) == ["multipart/form-data"]
    binary = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    properties = found["multipart/form-data"]["schema"]["properties"]
    assert properties["photo"] == binary
    assert properties["more"]["items"] == binary


def test_a_union_of_structs_tells_them_apart_by_tag(document: dict[str, Any]) -> None:
    """The discriminator names the schema of each tag."""
    found = body(operation(document, "patch", "/api/person/{person_id}"))["properties"]["shape"]
    assert found["discriminator"]["mapping"]["circle"] == "#/components/schemas/Circle"


def test_a_default_that_json_cannot_say_is_left_out() -> None:
    """A document is never broken by a default."""

    @action("odd", get("/odd"), allow(anyone))
    async def odd(ctx: Context, number: float = float("inf")) -> None:
        """Odd."""

    found = parameter(operation(described(odd), "get", "/api/odd"), "number")
    assert found["schema"] == {"type": "number"}


# Answers


def test_a_route_answers_with_its_own_status(document: dict[str, Any]) -> None:
    """A route that creates says 201, with the place of what was made."""
    found = operation(document, "put", "/api/person")["responses"]["201"]
    assert found["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Person"}}}
    assert list(found["headers"]) == ["Location"]


def test_no_result_is_204(document: dict[str, Any]) -> None:
    """An action that gives nothing answers with nothing."""
    found = operation(document, "delete", "/api/person/{person_id}")["responses"]
    assert found["204"] == {"description": "No Content"}
    assert "200" not in found


def test_a_result_that_may_be_none_is_200_or_204(document: dict[str, Any]) -> None:
    """Both are listed, and the 200 is never `null`."""
    found = operation(document, "patch", "/api/person/{person_id}")["responses"]
    assert "204" in found
    assert found["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Person"}


def test_a_result_of_one_type_or_another_lists_both(document: dict[str, Any]) -> None:
    """Structs that carry no tag are told apart by nobody, and are all listed."""
    found = operation(document, "get", "/api/shape")["responses"]["200"]["content"]["application/json"]["schema"]
    names = ("Person", "Address")
    assert found == {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def test_a_function_of_the_result_names_its_statuses(document: dict[str, Any]) -> None:
    """They are read from its annotation; one that is an error's too may be either."""
    found = operation(document, "get", "/api/check")["responses"]
    person = {"$ref": "#/components/schemas/Person"}
    assert found["200"]["content"]["application/json"]["schema"] == person
    assert found["503"]["content"]["application/json"]["schema"] == {"anyOf": [person, ERROR]}


def test_only_errors_that_can_occur_are_listed(document: dict[str, Any]) -> None:
    """Nobody is refused where anyone may call, and what has no inputs finds no fault with them."""
    assert statuses(operation(document, "get", "/api/check")) == ["200", "500", "503", "504", "default"]


def test_an_action_with_a_rule_lists_401_and_403(document: dict[str, Any]) -> None:
    """An action with a rule, inputs and no body lists the refusals, and those of its inputs."""
    found = statuses(operation(document, "delete", "/api/person/{person_id}"))
    assert found == ["204", "400", "401", "403", "422", "500", "503", "504", "default"]


def test_an_action_with_a_body_lists_what_can_be_wrong_with_it(document: dict[str, Any]) -> None:
    """Too slow, too large, of the wrong type."""
    assert {"400", "408", "413", "415", "422"} <= set(statuses(operation(document, "put", "/api/person")))


def test_a_conflict_of_a_write_is_412_with_if_match(document: dict[str, Any]) -> None:
    """An action that writes and can conflict takes `If-Match`."""
    found = operation(document, "put", "/api/person")
    assert {"409", "412"} <= set(statuses(found))
    assert parameter(found, "If-Match")["in"] == "header"


def test_an_error_of_ones_own_has_the_status_of_its_kind(document: dict[str, Any]) -> None:
    """A subclass of Conflict with a type of its own is a 409 that says so."""
    found = operation(document, "patch", "/api/person/{person_id}")["responses"]
    assert found["409"] == {"$ref": "#/components/responses/Sold"}
    assert document["components"]["responses"]["Sold"]["description"] == "`SOLD`: This is sold."


def test_an_error_is_the_error_object_or_problem_details(document: dict[str, Any]) -> None:
    """Both forms of the body are listed."""
    content = document["components"]["responses"]["NotFound"]["content"]
    assert content["application/json"]["schema"] == ERROR
    assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_default_is_the_error_object(document: dict[str, Any]) -> None:
    """Whatever else is answered has the shape of an error."""
    assert operation(document, "get", "/api/check")["responses"]["default"] == {"$ref": "#/components/responses/Error"}


def test_an_etag_can_be_answered_304(document: dict[str, Any]) -> None:
    """An action with an entity tag takes `If-None-Match`."""
    found = operation(document, "get", "/api/person/{person_id}")
    assert "304" in found["responses"]
    assert parameter(found, "If-None-Match")["in"] == "header"


def test_a_stream_comes_as_events_or_lines(document: dict[str, Any]) -> None:
    """Each with the schema of one item."""
    found = operation(document, "get", "/api/count")["responses"]["200"]["content"]
    item = {"schema": {"$ref": "#/components/schemas/Circle"}}
    assert found == {"text/event-stream": item, "application/jsonl": item}


def test_a_file_is_binary_and_has_parts(document: dict[str, Any]) -> None:
    """A download is 200, a part of it 206, one that the client has 304, and a part outside it 416."""
    found = operation(document, "get", "/api/photo/{photo_id}")["responses"]
    assert {"200", "206", "304", "416"} <= set(found)
    assert found["200"]["content"]["application/octet-stream"]["schema"]["format"] == "binary"


def test_what_anyone_may_call_needs_no_credentials(document: dict[str, Any]) -> None:
    """`security` is empty there, and a session or a bearer token elsewhere."""
    assert operation(document, "get", "/api/check")["security"] == []
    closed = operation(document, "delete", "/api/person/{person_id}")
    assert closed["security"] == [{"session": []}, {"bearer": []}]


# What cannot be described


def test_two_structs_of_one_name_stay_apart() -> None:
    """A name that another class has as well is written out in full, the same in every start."""

    @action("one", get("/one"), allow(anyone))
    async def one(ctx: Context) -> openapi_actions.Person:
        """One."""
        raise NotImplementedError

    @action("two", get("/two"), allow(anyone))
    async def two(ctx: Context) -> Person:
        """Two."""
        raise NotImplementedError

    schemas = described(one, two)["components"]["schemas"]
    assert len([name for name in schemas if name.endswith("Person")]) == 2


def test_a_type_that_cannot_be_described_is_named() -> None:
    """The error says which action, and where it is."""

    @action("odd", put("/odd"), allow(anyone))
    async def odd(ctx: Context) -> msgspec.msgpack.Ext:
        """Odd."""
        raise NotImplementedError

    with pytest.raises(SetupError, match=r"test_openapi\.py:\d+: the result of odd has a type without a JSON Schema"):
        described(odd)


class Person(openapi_actions.Struct):
    """Another class of that name."""

    age: int
