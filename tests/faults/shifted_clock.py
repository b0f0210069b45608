"""A wall clock for single processes that a test can move: a small library, preloaded into programs as they are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shifted_clock.c")


class ShiftedClock:
    """`environ` moves the clock of whoever is started with it; it goes by what `shift` has said last."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler to build a clock with that can be moved")
        library = folder / "shifted_clock.so"
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"],
            check=True,
            capture_output=True,
        )
        self._offset = folder / "clock-offset"
        self._offset.write_bytes(bytes(8))
        self.environ: Mapping[str, str] = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(self._offset)}

    def shift(self, seconds: int) -> None:
        """From now on the clock is so many seconds off."""
        with self._offset.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))
