"""Imports go down the rows: every contract finds an import that breaks it, and lets pass what the design allows."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scripts.check import TOOLS
from tests.architecture.planting import REPOSITORY, plant

_SETTINGS = REPOSITORY / "pyproject.toml"
_CORE = ("action", "app", "clock", "context", "errors", "health", "info", "log")
_ROOMS = {
    "antiphon/__init__.py": "from antiphon.application import App\n",
    "antiphon/application.py": "from antiphon.standard import http\nApp = http\n",
    "antiphon/standard.py": "from antiphon.transports import http\n",
    **{f"antiphon/core/{name}.py": "" for name in ("__init__", *_CORE)},
    "antiphon/stores/__init__.py": "import redis\nfrom antiphon.core import clock\n",
    "antiphon/wire/__init__.py": "import socket\n",
    "antiphon/wire/request.py": "from antiphon.core.errors import NotFound\n",
    "antiphon/services/__init__.py": "",
    "antiphon/services/database/__init__.py": "import sqlalchemy\n",
    "antiphon/services/streams/__init__.py": "from antiphon.services.database import sqlalchemy\n",
    "antiphon/services/sessions.py": "from antiphon.services import database, streams\nfrom antiphon import stores\n",
    "antiphon/services/cache.py": "from antiphon.services.streams import database\n",
    "antiphon/transports/__init__.py": "",
    "antiphon/transports/base.py": "from antiphon.core import action\n",
    "antiphon/transports/http/__init__.py": "import antiphon.transports.base\nimport antiphon.services.sessions\n",
    "antiphon/transports/cli.py": "from antiphon.transports.base import action\n",
    "antiphon/modules/__init__.py": "",
    "antiphon/modules/chat/__init__.py": "from antiphon import App\nfrom antiphon.modules.chat import tables\n",
    "antiphon/modules/chat/tables.py": "",
    "antiphon/testing/__init__.py": "import antiphon\nfrom antiphon import client\nfrom antiphon.stores import redis\n",
    "antiphon/client/__init__.py": "",
    "olympus/__init__.py": "",
    "olympus/app.py": "from antiphon import App\nfrom antiphon.modules import chat\n",
}
"""Every room there will be, importing what it may."""


class Plant(NamedTuple):
    """An import that a contract has to find."""

    contract: str
    file: str
    code: str


_PLANTS = (
    Plant("rows", "antiphon/core/clock.py", "import antiphon.services.cache"),
    Plant("rows", "antiphon/stores/__init__.py", "import antiphon.wire"),
    Plant("rows", "antiphon/wire/request.py", "from antiphon import stores"),
    Plant("rows", "antiphon/services/cache.py", "from antiphon.transports import base"),
    Plant("rows", "antiphon/transports/base.py", "from antiphon import application"),
    Plant("rows", "antiphon/standard.py", "from antiphon.modules import chat"),
    Plant("rows", "antiphon/modules/chat/tables.py", "from antiphon.testing import redis"),
    Plant("rows", "antiphon/modules/chat/tables.py", "import antiphon.client"),
    Plant("rows", "antiphon/stray.py", ""),
    Plant("core", "antiphon/core/clock.py", "import sqlalchemy.ext.asyncio"),
    Plant("core", "antiphon/core/clock.py", "import socket"),
    Plant("wire", "antiphon/wire/request.py", "from antiphon.core.action import action"),
    Plant("services", "antiphon/services/sessions.py", "from antiphon.services import cache"),
    Plant("services", "antiphon/services/database/__init__.py", "from antiphon.services import cache"),
    Plant("ground", "antiphon/services/database/__init__.py", "from antiphon.services import streams"),
    Plant("transports", "antiphon/transports/cli.py", "from antiphon.transports import http"),
    Plant("transports", "antiphon/transports/base.py", "import antiphon.transports.cli"),
    Plant("modules", "antiphon/modules/chat/__init__.py", "from antiphon.core.action import action"),
    Plant("modules", "antiphon/modules/chat/tables.py", "from antiphon import standard"),
    Plant("below", "antiphon/services/cache.py", "from antiphon import App"),
    Plant("below", "antiphon/core/clock.py", "import antiphon"),
    Plant("below", "antiphon/application.py", "import antiphon"),
    Plant("public", "antiphon/__init__.py", "from antiphon.modules import chat"),
    Plant("public", "antiphon/__init__.py", "from antiphon import testing"),
    Plant("public", "antiphon/__init__.py", "from antiphon import client"),
    Plant("olympus", "olympus/app.py", "from antiphon.core.action import action"),
    Plant("olympus", "olympus/app.py", "from antiphon.modules.chat.tables import table"),
    Plant("olympus", "olympus/__init__.py", "from antiphon import testing"),
)


def _contracts() -> Mapping[str, str]:
    """The names of the contracts by their ids."""
    settings: dict[str, Any] = tomllib.loads(_SETTINGS.read_text())
    return {contract["id"]: contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]}


def _broken(root: Path) -> set[str]:
    """The contracts that the tree under this root breaks, by their ids."""
    command = [str(TOOLS / "lint-imports"), "--config", str(_SETTINGS), "--no-cache", "--no-logo"]
    # Wide enough that no name is broken over two lines.
    environment = os.environ | {"COLUMNS": "200"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return {key for key, name in _contracts().items() if f"{name} BROKEN" in done.stdout}


def test_every_import_that_the_design_allows_passes(tmp_path: Path) -> None:
    """A tree with every room, each leaning on what it may, keeps every contract."""
    plant(tmp_path, _ROOMS)

    assert _broken(tmp_path) == set()


def test_rooms_that_are_not_there_yet_break_nothing(tmp_path: Path) -> None:
    """The contracts hold for the tree as it grows: only the rows themselves have to exist."""
    rows = ("core", "stores", "wire", "services", "transports", "modules", "client", "testing")
    plant(tmp_path, {f"antiphon/{row}/__init__.py": "" for row in rows})
    plant(tmp_path, {"antiphon/__init__.py": "", "olympus/__init__.py": ""})

    assert _broken(tmp_path) == set()


@pytest.mark.parametrize("planted", _PLANTS, ids=lambda p: f"{p.contract}: {p.file}: {p.code or 'a new file'}")
def test_an_import_against_a_contract_is_found(tmp_path: Path, planted: Plant) -> None:
    """Each contract finds what it is there to find."""
    plant(tmp_path, _ROOMS | {planted.file: f"{_ROOMS.get(planted.file, '')}{planted.code}\n"})

    assert planted.contract in _broken(tmp_path)


def test_every_contract_has_been_seen_to_break() -> None:
    """No contract is only believed to hold."""
    assert {planted.contract for planted in _PLANTS} == set(_contracts())
