"""Names that fit everything are found wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.exceptions import Exceptions
from scripts.checks.names import FORBIDDEN, names
from tests.architecture.planting import MODULE, plant


@pytest.mark.parametrize("word", sorted(FORBIDDEN))
def test_a_forbidden_word_is_found_in_files_folders_classes_and_functions(tmp_path: Path, word: str) -> None:
    """Each word is refused in each place, in the plural too, and in both ways of writing words together."""
    files = {
        f"src/{word}s.py": MODULE,
        f"src/{word}/thing.py": MODULE,
        "src/in_class.py": f"{MODULE}class Big{word.title()}:\n    pass\n",
        "src/in_function.py": f"{MODULE}def my_{word}() -> None:\n    pass\n",
    }

    faults = list(names(plant(tmp_path, files), Exceptions(tmp_path)))

    assert {fault.path for fault in faults} == set(files)


def test_a_word_within_a_word_is_good(tmp_path: Path) -> None:
    """Only whole words count."""
    text = f"{MODULE}def utilise() -> None:\n    pass\n\n\nclass Mishandled:\n    pass\n"

    assert not list(names(plant(tmp_path, {"src/commonplace.py": text}), Exceptions(tmp_path)))


def test_a_base_that_is_no_interface_is_found(tmp_path: Path) -> None:
    """A class may be called a base only when it is a Protocol or an ABC."""
    text = f"{MODULE}class BaseStore:\n    pass\n\n\nclass BaseTransport(Protocol[T]):\n    pass\n"

    (fault,) = names(plant(tmp_path, {"src/stores.py": text}), Exceptions(tmp_path))

    assert fault.message.startswith("BaseStore")
