"""The pages that are made from Olympus and from the tour: its settings, its actions, and the tutorial."""

from __future__ import annotations

import ast

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.core.inputs.describe import describe as describe_input
from antiphon.core.settings import describe, to_markdown
from antiphon.transports.http.routes import Route
from olympus.app import app
from scripts.sources import Sources

MADE = "<!-- Made by `make docs`. -->\n\n"


def settings(_sources: Sources) -> str:
    """Every setting of Olympus."""
    return MADE + to_markdown(describe(app.plan(app.gathered()).sections))


def actions(_sources: Sources) -> str:
    """Every action of Olympus: what it does, who may call it, how it is reached, and its inputs."""
    head = "# Actions of Olympus\n\nEach is also a command: `olympus ACTION --flags`.\n"
    return MADE + head + "".join(map(_action, app.gathered().actions))


def _action(action: AnyAction) -> str:
    routes = ", ".join(f"`{route.summary}`" for route in action.traits_of(Route)) or "no route"
    allow = action.trait(Allow)
    facts = f"{routes}; for {allow.summary if allow is not None else 'nobody'}."
    text = f"\n## {action.name}\n\n{action.description}\n\n{facts}\n"
    if action.schema.fields:
        text += "\n| input | takes |  |\n|---|---|---|\n"
    for field in action.schema.fields:
        needed = "required" if field.required else "optional"
        text += f"| `{field.wire}` | {describe_input(field.type)} | {needed}{', secret' if field.secret else ''} |\n"
    return text


def tutorial(sources: Sources) -> str:
    """The tour as one page: the code of each step, and the tests that show what it does."""
    text = f"{MADE}# Antiphon in nine steps\n\n{_BEGINNING}"
    for path in sorted((sources.root / "tests" / "tour").glob("test_*.py")):
        code = path.read_text(encoding="utf-8")
        number, words = path.stem.removeprefix("test_").split("_", 1)
        docstring = ast.get_docstring(ast.parse(code)) or ""
        body = code.partition("from __future__ import annotations\n")[2].strip()
        text += f"\n## {int(number)}. {words.replace('_', ' ').capitalize()}\n\n{docstring}\n\n```python\n{body}\n```\n"
    return text


_BEGINNING = """\
Each step is a whole program of one screen, and the tests below it say what it does; they are run with all the others
(`tests/tour`). `run(app)` starts the application for one test; your own tests have `antiphon.testing.app.TestApp`.
"""
