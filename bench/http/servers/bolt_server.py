"""django-bolt as its documentation writes it: msgspec Structs in and out, middleware classes, `runbolt`.

Its handlers are `def`: they never wait, and that is the way it is fastest.
"""

from __future__ import annotations

import sys
from importlib import import_module
from time import perf_counter
from typing import Any

from bench.http.servers.items import Item, Saved, Status
from bench.http.servers.tally import Tally, blocked, new_request_id

settings: Any = import_module("django.conf").settings
settings.configure(
    DEBUG=False,
    SECRET_KEY="not a secret: nothing is signed here",  # noqa: S106  # and so it says itself
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django_bolt"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    # Its Rust side writes a line for each request to this logger, whatever `enable_logging` says.
    LOGGING={"version": 1, "disable_existing_loggers": False, "loggers": {"django.server": {"level": "WARNING"}}},
)

# Untyped, and they read the settings when they are imported.
bolt: Any = import_module("django_bolt")
HTTPException: Any = import_module("django_bolt.exceptions").HTTPException
execute_from_command_line: Any = import_module("django.core.management").execute_from_command_line

urlpatterns: list[Any] = []
TALLY = Tally()


class Around:
    """The shape of a middleware, which it takes from any class."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response


class Timed(Around):
    """Times the call, and gives the answer its request id."""

    async def __call__(self, request: Any) -> Any:
        """Wrap one request."""
        started = perf_counter()
        response = await self.get_response(request)
        response.headers["x-request-id"] = new_request_id()
        TALLY.time(perf_counter() - started)
        return response


class Counted(Around):
    """Counts the call."""

    async def __call__(self, request: Any) -> Any:
        """Wrap one request."""
        TALLY.count()
        return await self.get_response(request)


class Checked(Around):
    """Refuses blocked agents."""

    async def __call__(self, request: Any) -> Any:
        """Wrap one request."""
        if blocked(request.headers.get("user-agent")):
            raise HTTPException(403, "Forbidden")
        return await self.get_response(request)


def build(*, layered: bool) -> Any:
    """The application."""
    api = bolt.BoltAPI(middleware=[Timed, Counted, Checked] if layered else None, enable_logging=False)
    count = 0

    @api.get("/api/status")
    def status() -> Status:
        nonlocal count
        count += 1
        return Status("bench", count)

    @api.put("/api/items/{item_id}")
    def put_item(item_id: int, item: Item, notify: bool = False) -> Saved:
        return Saved(item_id, notify, item.title, item.quantity, item.price, item.active, item.tags)

    @api.get("/api/tally")
    def show_tally() -> dict[str, int]:
        return TALLY.shown()

    return api


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    # It asks for its application by name.
    vars(sys.modules[__name__])["api"] = build(layered=layered)
    settings.BOLT_API = [f"{__name__}:api"]
    command = ["manage.py", "runbolt", "--host", "127.0.0.1", "--port", str(port), "--processes", "1", "--no-admin"]
    execute_from_command_line(command)
