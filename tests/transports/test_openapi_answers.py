"""The OpenAPI document says of each route what it answers: its own statuses, and the errors that can occur."""

from __future__ import annotations

from tests.transports.openapi_document import document, keyed_document, operation, parameter, statuses

ERROR = {"$ref": "#/components/schemas/ErrorEnvelope"}


def test_a_route_answers_with_its_own_status() -> None:
    """A route that creates says 201, with the place of what was made."""
    found = operation("put", "/api/person")["responses"]["201"]
    assert found["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Person"}}}
    assert list(found["headers"]) == ["Location"]


def test_no_result_is_204() -> None:
    """An action that gives nothing answers with nothing."""
    found = operation("delete", "/api/person/{person_id}")["responses"]
    assert found["204"] == {"description": "No Content"}
    assert "200" not in found


def test_a_result_that_may_be_none_is_200_or_204() -> None:
    """Both are listed, and the 200 is never `null`."""
    found = operation("patch", "/api/person/{person_id}")["responses"]
    assert "204" in found
    assert found["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Person"}


def test_a_result_of_one_type_or_another_lists_both() -> None:
    """Structs that carry no tag are told apart by nobody, and are all listed."""
    found = operation("get", "/api/shape")["responses"]["200"]["content"]["application/json"]["schema"]
    names = ("Person", "Address")
    assert found == {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def test_a_function_of_the_result_names_its_statuses() -> None:
    """They are read from its annotation; one that is an error's too may be either."""
    found = operation("get", "/api/check")["responses"]
    person = {"$ref": "#/components/schemas/Person"}
    assert found["200"]["content"]["application/json"]["schema"] == person
    assert found["503"]["content"]["application/json"]["schema"] == {"anyOf": [person, ERROR]}


def test_only_errors_that_can_occur_are_listed() -> None:
    """Nobody is refused where anyone may call, and what has no inputs finds no fault with them."""
    assert statuses(operation("get", "/api/check")) == ["200", "500", "503", "504", "default"]


def test_an_action_with_a_rule_lists_401_and_403() -> None:
    """An action with a rule, inputs and no body lists the refusals, and those of its inputs."""
    found = statuses(operation("delete", "/api/person/{person_id}"))
    assert found == ["204", "400", "401", "403", "422", "500", "503", "504", "default"]


def test_an_action_with_a_body_lists_what_can_be_wrong_with_it() -> None:
    """Too slow, too large, of the wrong type."""
    assert {"400", "408", "413", "415", "422"} <= set(statuses(operation("put", "/api/person")))


def test_a_conflict_of_a_write_is_412_with_if_match() -> None:
    """An action that writes and can conflict takes `If-Match`."""
    found = operation("put", "/api/person")
    assert {"409", "412"} <= set(statuses(found))
    assert parameter(found, "If-Match")["in"] == "header"


def test_an_error_of_ones_own_has_the_status_of_its_kind() -> None:
    """A subclass of Conflict with a type of its own is a 409 that says so."""
    found = operation("patch", "/api/person/{person_id}")["responses"]
    assert found["409"] == {"$ref": "#/components/responses/Sold"}
    assert document()["components"]["responses"]["Sold"]["description"] == "`SOLD`: This is sold."


def test_an_error_is_the_error_object_or_problem_details() -> None:
    """Both forms of the body are listed."""
    content = document()["components"]["responses"]["NotFound"]["content"]
    assert content["application/json"]["schema"] == ERROR
    assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


def test_default_is_the_error_object() -> None:
    """Whatever else is answered has the shape of an error."""
    assert operation("get", "/api/check")["responses"]["default"] == {"$ref": "#/components/responses/Error"}


def test_an_etag_can_be_answered_304() -> None:
    """An action with an entity tag takes `If-None-Match`."""
    found = operation("get", "/api/person/{person_id}")
    assert "304" in found["responses"]
    assert parameter(found, "If-None-Match")["in"] == "header"


def test_a_stream_comes_as_events_or_lines() -> None:
    """Each with the schema of one item."""
    found = operation("get", "/api/count")["responses"]["200"]["content"]
    item = {"schema": {"$ref": "#/components/schemas/Circle"}}
    assert found == {"text/event-stream": item, "application/jsonl": item}


def test_a_file_is_binary_and_has_parts() -> None:
    """A download is 200, a part of it 206, one that the client has 304, and a part outside it 416."""
    found = operation("get", "/api/photo/{photo_id}")["responses"]
    assert {"200", "206", "304", "416"} <= set(found)
    assert found["200"]["content"]["application/octet-stream"]["schema"]["format"] == "binary"


def test_what_anyone_may_call_needs_no_credentials() -> None:
    """`security` is empty there, and a session or a bearer token elsewhere."""
    assert operation("get", "/api/check")["security"] == []
    closed = operation("delete", "/api/person/{person_id}")
    assert closed["security"] == [{"session": []}, {"bearer": []}]


def test_what_changes_something_takes_an_idempotency_key() -> None:
    """With its bounds, the errors it can bring, and the word that an answer was given before."""
    found = keyed_document()["paths"]["/api/person"]["put"]

    assert parameter(found, "Idempotency-Key")["schema"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": "^[!-~]+$",
    }
    assert {"409", "422", "429", "503"} <= set(statuses(found))
    assert sorted(found["responses"]["201"]["headers"]) == ["Idempotent-Replayed", "Location"]


def test_what_only_reads_or_streams_takes_no_key() -> None:
    """Nor does anything where no answers are kept."""
    named = {
        f"{method} {path}"
        for path, operations in keyed_document()["paths"].items()
        for method, found in operations.items()
        if any(each["name"] == "Idempotency-Key" for each in found.get("parameters", ()))
    }

    assert named
    assert not any(name.startswith("get ") for name in named)
    assert "Idempotency-Key" not in str(document())
