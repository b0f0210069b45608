"""What the documents say is so: the made pages are what the code says, and the lines of the README work."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from olympus.app import app
from scripts import reference
from scripts.docs import PAGES
from scripts.sources import Sources

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["docs/reference/settings.md", "docs/reference/actions.md", "docs/tutorial/README.md"])
def test_a_made_page_is_what_the_code_says(path: str) -> None:
    """The pages of settings and actions, and the tutorial, are those that `make docs` writes now."""
    assert (ROOT / path).read_text(encoding="utf-8") == PAGES[path](Sources(ROOT))


def test_every_action_and_setting_is_in_the_reference() -> None:
    """No action and no section of settings is left out."""
    actions, settings = reference.actions(Sources(ROOT)), reference.settings(Sources(ROOT))

    assert all(f"\n## {action.name}\n" in actions for action in app.gathered().actions)
    for section in ("app", "database", "files", "http", "log", "redis", "session"):
        assert f"\n## {section}\n" in settings


def test_the_readme_names_files_that_are_there() -> None:
    """Every link of the README leads to a file."""
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_the_readme_shows_the_action_as_it_is() -> None:
    """The action in the README is the one of Olympus."""
    code = README.split("```python\n")[1].split("```")[0]

    assert code in (ROOT / "olympus" / "messages" / "actions.py").read_text(encoding="utf-8")


async def test_the_lines_of_the_readme_work(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """Copied line by line, the README signs up, signs in, and posts over HTTP and from the command line."""
    lines = "\n".join(block.split("```")[0] for block in README.split("```sh\n")[2:])
    # A minute that ends during the test must not post a greeting into the list.
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix, "WORKER_SCHEDULES": "false"}
    async with TestApp.start(app, tmp_path, environ) as running:
        lines = lines.replace("localhost:8080", f"127.0.0.1:{running.port}")
        lines = lines.replace("curl ", "curl --silent --show-error --fail ")
        lines = lines.replace(".venv/bin/olympus", f"'{sys.executable}' -c 'from olympus.app import main; main()'")
        paths = ":".join(filter(None, sys.path))
        process = await asyncio.create_subprocess_exec(
            *("sh", "-e", "-c", lines),
            cwd=tmp_path,
            env={**running.environ, "PATH": os.environ["PATH"], "PYTHONPATH": paths},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()

    assert process.returncode == 0, err.decode()
    assert out.decode().rstrip().splitlines()[-2].find("Hello from the command line") > 0
    assert "Hello over HTTP" in out.decode().splitlines()[-1]
