"""Makes the servers that the environment of the bench cannot hold: compiles Go, installs Bun and Robyn apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.http.running import ROOT, NotHere

SOURCES = Path(__file__).parent / "servers"
MADE = ROOT / "var" / "bench"
MAKE_SECONDS = 300.0

ROBYN = ("robyn==0.88.0", "pydantic==2.14.3")
"""Robyn wants an older uvloop than the one Antiphon is measured on, so it has an environment of its own."""

BUN = "bun@1.4.4"

ROBYN_PYTHON = MADE / "robyn" / "bin" / "python"
GO_SERVER = MADE / "go" / "server"
BUN_HOME = MADE / "bun"


def make(made: str) -> str:
    """Make what is not there yet; gives the version that will be measured. Raises NotHere when it cannot be had."""
    MADE.mkdir(parents=True, exist_ok=True)
    return {"robyn": _make_robyn, "go": _make_go, "bun": _make_bun}[made]()


def bun() -> Path | None:
    """The Bun of this machine, or the one that was installed here."""
    found = shutil.which("bun")
    if found is not None:
        return Path(found)
    ours = BUN_HOME / "node_modules" / ".bin" / "bun"
    return ours if ours.exists() else None


def _make_robyn() -> str:
    if not ROBYN_PYTHON.exists():
        uv = ROOT / ".tools" / "bin" / "uv"
        folder = ROBYN_PYTHON.parent.parent
        try:
            run_to_end([str(uv), "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)])
            run_to_end([str(uv), "pip", "install", "--quiet", "--python", str(ROBYN_PYTHON), *ROBYN])
        except NotHere:
            shutil.rmtree(folder, ignore_errors=True)  # half of it would be taken for the whole next time
            raise
    said = "from importlib.metadata import version; print('robyn', version('robyn'), 'uvloop', version('uvloop'))"
    return run_to_end([str(ROBYN_PYTHON), "-c", said])


def _make_go() -> str:
    if shutil.which("go") is None:
        raise NotHere("there is no go on the PATH: install your system's package, for example golang-go")
    run_to_end(
        ["go", "build", "-o", str(GO_SERVER), "."], cwd=SOURCES / "go", GOFLAGS="-mod=readonly", GOTOOLCHAIN="local"
    )
    return run_to_end(["go", "version"]).removeprefix("go version ")


def _make_bun() -> str:
    if bun() is None:
        if shutil.which("npm") is None:
            raise NotHere("there is neither bun nor npm on the PATH")
        BUN_HOME.mkdir(parents=True, exist_ok=True)
        run_to_end(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(BUN_HOME), BUN])
    program = bun()
    if program is None:
        raise NotHere(f"npm installed {BUN} and no program came with it")
    return f"bun {run_to_end([str(program), '--version'])}"


def run_to_end(command: list[str], cwd: Path = ROOT, **environ: str) -> str:
    """Run to the end; gives what it printed. Raises NotHere with the last line it wrote when it fails."""
    try:
        result = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=MAKE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(str(error)) from error
    if result.returncode != 0:
        said = (result.stderr.strip() or result.stdout.strip() or "without a word").splitlines()
        raise NotHere(f"{Path(command[0]).name} ended with {result.returncode}: {said[-1]}")
    return result.stdout.strip()
