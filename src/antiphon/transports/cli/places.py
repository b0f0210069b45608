"""Finds the application that `antiphon` is told to run, named as `package.module:name`."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence

from antiphon.core.app import App
from antiphon.core.errors import SetupError

PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""Where an application stands: a module and a name in it."""

USAGE = """\
antiphon --app package.module:app COMMAND …    run a command of the application
antiphon serve package.module:app              serve it; the same for `actions`, `check` and `migrate`
antiphon --app package.module:app --help       list its commands"""


def split_place(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Which application, and what it is told. Raises SetupError when none is named."""
    first, second, *_ = (*arguments, "", "")
    if first == "--app" and second:
        return second, list(arguments[2:])
    if first.startswith("--app="):
        return first.removeprefix("--app="), list(arguments[1:])
    if PLACE.fullmatch(first):
        return first, list(arguments[1:])
    if PLACE.fullmatch(second):
        return second, [first, *arguments[2:]]
    raise SetupError(f"Say which application:\n{USAGE}")


def load(place: str) -> App:
    """The application at `package.module:name`, looked for from this folder on. Raises SetupError."""
    module, _, name = place.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        app = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise SetupError(f"There is no module {error.name}, seen from this folder. Is {place} spelled right?") from None
    if not isinstance(app, App):
        raise SetupError(f"{place} is no application. Name one, as in `package.module:app`.")
    return app
