"""The OpenAPI document as a whole: valid, complete, and always in the same bytes."""

from __future__ import annotations

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
from antiphon.transports.http.openapi.document import openapi
from antiphon.transports.http.routes import get, put
from tests.transports import openapi_actions
from tests.transports.openapi_document import INFO, actions, described, document, operation

PRINT_DOCUMENT = """
import sys
from tests.transports.openapi_document import INFO, actions, openapi
sys.stdout.buffer.write(openapi(INFO, actions()))
"""


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


def test_the_document_is_valid() -> None:
    """A validator of OpenAPI 3.1 has nothing to say against the document."""
    faults = [str(fault) for fault in OpenAPIV31SpecValidator(document()).iter_errors()]
    assert faults == []
    assert document()["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere() -> None:
    """Whatever the document refers to is in it."""
    for reference in set(references(document())):
        node = document()
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


def test_the_document_is_called_as_the_application() -> None:
    """Title and version are those of the application."""
    assert document()["info"] == {"title": "people", "version": "1.2.3"}


def test_an_action_without_a_route_is_left_out() -> None:
    """What HTTP does not answer is not in its document."""
    ids = {operation["operationId"] for path in document()["paths"].values() for operation in path.values()}
    assert "inner" not in ids


def test_an_application_without_routes_has_a_valid_document() -> None:
    """Nothing to describe is no error."""
    OpenAPIV31SpecValidator(described()).validate()


# Names and words


def test_an_operation_is_called_after_its_action() -> None:
    """`person:create` is `personCreate`, tagged `person`."""
    found = operation("put", "/api/person")
    assert (found["operationId"], found["tags"]) == ("personCreate", ["person"])


def test_every_operation_has_an_id_of_its_own() -> None:
    """An action with two routes gives two ids, the second with its method, a third with a number."""
    ids = [operation["operationId"] for path in document()["paths"].values() for operation in path.values()]
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


def test_the_docstring_is_summary_and_description() -> None:
    """Its first line is the summary, the rest the description."""
    found = operation("put", "/api/person")
    assert (found["summary"], found["description"]) == ("Register somebody.", "The address may follow later.")


def test_a_deprecated_action_says_so() -> None:
    """It is marked, with the reason."""
    found = operation("delete", "/api/person/{person_id}")
    assert found["deprecated"] is True
    assert found["description"] == "Deprecated: Use person:edit."


def test_a_regular_expression_is_shown_as_a_path() -> None:
    """Its named groups are places, whatever is in them, and it stands outside the prefix when the route does."""
    found = operation("get", "/page/{year}-{slug}.html")
    assert [(each["name"], each["in"]) for each in found["parameters"]] == [("year", "path"), ("slug", "path")]


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
