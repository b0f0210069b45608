"""The inventory: whatever answers over HTTP stands in the OpenAPI document, or in the short list of this file."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon import Http
from antiphon.testing.engines import ValkeyServer
from antiphon.transports.http.endpoint import Endpoint
from antiphon.transports.http.openapi.places import shown_path
from tests.olympus_stage import Olympus, olympus_on

BESIDE = {
    "/healthz": "whether the process lives",
    "/readyz": "whether it can serve",
    "/metrics": "what it counts; off in production, and then for admins or a token",
    "/ws": "sockets",
    "/docs": "the documentation; off in production, and then for admins",
    "/docs/errors": "every error in words",
}
"""What answers and is no action, and why. Whoever adds a page writes it here."""

ASSETS = ("/docs/",)
FOLDERS = ("/board", "/antiphon.js")


@pytest.fixture
async def olympus(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus on SQLite."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix) as running:
        yield running


def documented(olympus: Olympus) -> dict[str, set[str]]:
    """The methods of each path of the document."""
    document: Any = json.loads(olympus.running.app.transport(Http).openapi())
    return {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}


def answering(olympus: Olympus) -> list[tuple[str, str, object]]:
    """Each method, path and page of the running server."""
    router = olympus.running.app.transport(Http).server.router
    return [
        (method, resource.path, page) for resource in router.resources() for method, page in resource.endpoints.items()
    ]


async def test_every_route_stands_in_the_document(olympus: Olympus) -> None:
    """No route answers that the document does not have, and the document has none that does not answer."""
    routes = {(method, shown_path(page.route)) for method, _, page in answering(olympus) if isinstance(page, Endpoint)}

    assert routes == {(method, path) for path, methods in documented(olympus).items() for method in methods}


async def test_what_is_no_route_is_listed_here(olympus: Olympus) -> None:
    """Pages that are no actions are in the list above; there is nothing else."""
    pages = {path for _, path, page in answering(olympus) if not isinstance(page, Endpoint)}
    documents = {path for path in pages if path.endswith("openapi.json")}

    beside = {path for path in pages - documents if not path.startswith(ASSETS) or path in BESIDE}
    assert beside == set(BESIDE)
    assert len(documents) == 1


async def test_each_path_allows_what_the_document_says(olympus: Olympus) -> None:
    """Asked by OPTIONS, a path names the methods of the document, and HEAD where there is GET; no others."""
    client = olympus.client()
    for path, methods in documented(olympus).items():
        concrete = path.replace("{", "").replace("}", "")

        answer = await client.request("OPTIONS", concrete)

        assert answer.status == 204
        allowed = set((answer.header("allow") or "").split(", "))
        assert (path, allowed) == (path, methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set()))


async def test_files_are_those_of_two_places(olympus: Olympus) -> None:
    """The board and the client are served as files, and nothing beside them is."""
    client = olympus.client()

    found = {path: (await client.get(path)).status for path in (*FOLDERS, "/", "/var", "/olympus", "/src", "/.env")}

    assert {path for path, status in found.items() if status != 404} == set(FOLDERS)
