"""The document of the actions of every kind, and how tests read in it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from antiphon.core.action import AnyAction
from antiphon.core.info import AppInfo
from antiphon.core.module import gather
from antiphon.transports.http.openapi.document import openapi
from antiphon.transports.http.openapi.errors import BARE, Ground
from tests.transports import openapi_actions

INFO = AppInfo("people", "1.2.3", "test", Path("var"))


def actions() -> list[AnyAction]:
    """The actions that the document is about."""
    return gather([openapi_actions]).actions


def described(*given: AnyAction, ground: Ground = BARE) -> dict[str, Any]:
    """The document of these actions."""
    return json.loads(openapi(INFO, given, ground))


@cache
def document() -> dict[str, Any]:
    """The document of all of them; no test changes it."""
    return described(*actions())


@cache
def keyed_document() -> dict[str, Any]:
    """The same in an application that keeps answers under keys."""
    return described(*actions(), ground=Ground(keyed=True))


def operation(method: str, path: str) -> dict[str, Any]:
    """One operation of the document."""
    return document()["paths"][path][method]


def parameter(operation: dict[str, Any], name: str) -> dict[str, Any]:
    """One parameter of an operation."""
    return next(parameter for parameter in operation["parameters"] if parameter["name"] == name)


def body(operation: dict[str, Any], kind: str = "application/json") -> dict[str, Any]:
    """The schema of a body."""
    return operation["requestBody"]["content"][kind]["schema"]


def statuses(operation: dict[str, Any]) -> list[str]:
    """The statuses that an operation can answer."""
    return list(operation["responses"])
