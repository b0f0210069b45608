"""A module gathers what its own files define, and hides no mistake in them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from antiphon.core.app import App
from antiphon.core.errors import SetupError
from antiphon.core.module import Gathered, Module, gather
from tests.core.packages import package

HEAD = """\
from __future__ import annotations
from collections.abc import AsyncIterator
from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.module import Module
from antiphon.core.service import scoped, service
"""


def defining(name: str, *, function: str = "take") -> str:
    return f'\n@action("{name}", allow(anyone))\nasync def {function}(ctx: Context) -> None: ...\n'


def names(gathered: Gathered) -> list[str]:
    return [action.name for action in gathered.actions]


def test_every_file_of_the_package_is_gathered(tmp_path: Path) -> None:
    """Whatever a package defines is found by itself, however deep it lies, in the order of names."""
    files = {
        "__init__.py": HEAD + "module = Module(__name__)\n" + defining("c:top"),
        "actions.py": HEAD + defining("b:file"),
        "deep/__init__.py": "",
        "deep/more/__init__.py": HEAD + defining("a:package"),
        "deep/more/parts.py": HEAD
        + "class Thing: ...\n"
        + "class Other: ...\n"
        + "@service\nasync def thing() -> AsyncIterator[Thing]:\n    yield Thing()\n"
        + "@scoped\ndef other(thing: Thing) -> Other:\n    return Other()\n",
    }
    with package(tmp_path, files) as name:
        gathered = gather([name])

    assert names(gathered) == ["a:package", "b:file", "c:top"]
    assert [found.name for found in gathered.services] == ["thing"]
    assert [found.name for found in gathered.scoped] == ["other"]


def test_what_a_file_imports_is_not_its_own(tmp_path: Path) -> None:
    """An action belongs to the file that defines it; importing it elsewhere adds nothing."""
    files = {
        "one/__init__.py": "",
        "one/actions.py": HEAD + defining("one:take"),
        "two/__init__.py": "",
        "two/actions.py": HEAD + "from PACKAGE.one.actions import take as taken\n" + defining("two:take"),
    }
    with package(tmp_path, files) as name:
        gathered = gather([f"{name}.two"])

    assert names(gathered) == ["two:take"]


def test_two_names_for_one_action_are_one_action(tmp_path: Path) -> None:
    """An alias is not a second action."""
    with package(tmp_path, {"actions.py": HEAD + defining("one:take") + "again = take\n"}) as name:
        gathered = gather([name, name])

    assert names(gathered) == ["one:take"]


@pytest.mark.parametrize("source", ["import nothing_of_this_name", "raise RuntimeError('broken')", "def ("])
def test_a_file_that_cannot_be_imported_is_an_error(tmp_path: Path, source: str) -> None:
    """Nothing is silently absent: what the import raises is raised as it is."""
    with package(tmp_path, {"deep/__init__.py": source}) as name:
        with pytest.raises((ModuleNotFoundError, RuntimeError, SyntaxError), match=r"nothing_of|broken|syntax"):
            gather([name])


def test_a_module_that_is_not_there_is_an_error() -> None:
    """A name with a typing mistake is told by the import."""
    with pytest.raises(ModuleNotFoundError, match="no_such_feature"):
        gather(["no_such_feature"])


def test_the_program_of_a_package_is_not_run(tmp_path: Path) -> None:
    """`__main__` is a program and no part of the feature: gathering does not start it."""
    files = {"__main__.py": "raise SystemExit('ran')", "actions.py": HEAD + defining("one:take")}
    with package(tmp_path, files) as name:
        gathered = gather([name])

    assert names(gathered) == ["one:take"]


def test_a_package_may_be_given_as_itself_by_name_or_as_module(tmp_path: Path) -> None:
    """The package, its name and its Module are three ways to say one feature."""
    source = HEAD + "class Kind: ...\n" + "module = Module(__name__, needs=[Kind])\n" + defining("one:take")
    with package(tmp_path, {"__init__.py": source}) as name:
        python = importlib.import_module(name)
        found = [gather([given]) for given in (name, python, python.module)]

    assert [names(gathered) for gathered in found] == [["one:take"]] * 3
    assert [[need.__name__ for _, need in gathered.needs] for gathered in found] == [["Kind"]] * 3


def test_the_module_of_another_package_is_not_this_one(tmp_path: Path) -> None:
    """A package that imports another's Module is gathered as itself."""
    files = {
        "one/__init__.py": HEAD + "module = Module(__name__)\n" + defining("one:take"),
        "two/__init__.py": HEAD + "from PACKAGE.one import module as other\n" + defining("two:take"),
    }
    with package(tmp_path, files) as name:
        gathered = gather([f"{name}.two"])

    assert names(gathered) == ["two:take"]


def test_two_actions_of_one_name_stop_the_start(tmp_path: Path) -> None:
    """Every name that is taken twice is told, with both places."""
    files = {
        "one.py": HEAD + defining("a:take") + defining("b:take", function="more"),
        "two.py": HEAD + defining("a:take") + defining("b:take", function="more"),
    }
    with package(tmp_path, files) as name:
        with pytest.raises(SetupError) as caught:
            App("test", modules=[Module(name)]).gathered()

    assert len(caught.value.problems) == 2
    assert "Two actions are called a:take: " in caught.value.problems[0]
    assert "one.py:9 and " in caught.value.problems[0]
    assert "two.py:9. Rename one." in caught.value.problems[0]


def test_nothing_is_imported_before_the_start(tmp_path: Path) -> None:
    """An application can be named before its modules can be imported."""
    with package(tmp_path, {"actions.py": "raise RuntimeError('imported')"}) as name:
        app = App("test", modules=[name])

        with pytest.raises(RuntimeError, match="imported"):
            app.gathered()
