"""The scanner of files: nobody fetches what it has not passed, and nothing is left of what it refuses."""

from __future__ import annotations

import asyncio
import stat
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from antiphon import Database
from antiphon.core.errors import Fault
from antiphon.modules.files import files_table
from antiphon.modules.files.scanning import SAID_BYTES, Verdict, scan
from antiphon.modules.files.storage import FileSettings
from antiphon.modules.files.unscanned import scan_files
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.modules.audit_kinds import log
from tests.modules.jobs_stage import job_in
from tests.modules.test_pictures import PNG
from tests.olympus_stage import Olympus, Person, olympus_on

CLEAN = b"Sing, goddess, of the anger of Achilles.\n"
EVIL = b"An EVIL wooden horse.\n"

# It refuses what says EVIL, and cannot look at anything while a file `broken` stands beside it.
SCANNER = """
import pathlib, sys
here = pathlib.Path(__file__).parent
broken = (here / "broken").exists()
(here / "calls").open("a").write(repr(sys.argv[1:]) + chr(10))
if broken:
    sys.exit(2)
sys.exit("EVIL" in pathlib.Path(sys.argv[-1]).read_text(errors="replace"))
"""

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


def program(folder: Path, code: str) -> tuple[str, ...]:
    """The command of a scanner with this code; each has a folder of its own."""
    folder.mkdir(exist_ok=True)
    script = folder / "scanner.py"
    script.write_text(f"#!{sys.executable} -ISB\n{code}", encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return (str(script), "--quiet")


@asynccontextmanager
async def scanned(folder: Path, url: str, valkey: ValkeyServer, prefix: str) -> AsyncGenerator[Olympus]:
    """Olympus with a scanner, in the folder `scanner`."""
    settings = {"FILES_SCANNER": ",".join(program(folder / "scanner", SCANNER))}
    async with olympus_on(folder, url, valkey.url, prefix, settings=settings) as running:
        yield running


@pytest.fixture
async def guarded(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus with a scanner, on SQLite."""
    async with scanned(tmp_path, olympus_url, valkey, store_prefix) as running:
        yield running


async def uploaded(person: Person, data: bytes, name: str = "horse.txt") -> dict[str, Any]:
    """A file that has been through its job, as `file:view` shows it."""
    file = (await person.client.upload("/api/file", name, data)).json
    await job_in(person.client, file["jobId"], "done", "dead")
    return await shown(person, file["id"])


async def shown(person: Person, file_id: str) -> dict[str, Any]:
    """A file as `file:view` shows it."""
    return (await person.client.get(f"/api/file/{file_id}/about")).json


async def test_a_file_that_passed_is_given_out(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """A file that the scanner found clean says when, is processed as ever, and comes back as it was sent."""
    async with scanned(tmp_path, database_url, valkey, store_prefix) as olympus:
        ada = await olympus.person("Ada")

        file = await uploaded(ada, PNG, "a.png")
        answer = await ada.client.get(f"/api/file/{file['id']}")

        assert (answer.status, answer.body) == (200, PNG)
        assert file["scannedAt"] is not None
        assert file["refusedAt"] is None
        assert (file["width"], file["height"]) == (640, 480)


async def test_nothing_is_left_of_a_file_that_was_refused(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """When the scanner finds something, file and job say so, its bytes leave the disk, and fetching it is a 409."""
    async with scanned(tmp_path, database_url, valkey, store_prefix) as olympus:
        ada = await olympus.person("Ada")

        file = await uploaded(ada, EVIL)
        job = (await ada.client.get(f"/api/jobs/{file['jobId']}")).json
        answer = await ada.client.get(f"/api/file/{file['id']}")

        assert (answer.status, answer.error["type"]) == (409, "CONFLICT")
        assert answer.error["message"] == "The scanner found something in this file, and its bytes were deleted."
        assert (job["state"], job["error"]["message"]) == ("dead", answer.error["message"])
        assert not olympus.kept()
        assert file["refusedAt"] is not None
        assert file["scannedAt"] is None


async def test_a_file_waits_for_its_scan(guarded: Olympus) -> None:
    """Before the scanner has looked, fetching a file or a part of it is a 503 that says when to ask again."""
    ada, hera = await guarded.person("Ada"), await guarded.admin()
    await uploaded(ada, CLEAN)
    await hera.client.post("/api/queues/files/pause")
    file = (await ada.client.upload("/api/file", "iliad.txt", CLEAN)).json

    whole = await ada.client.get(f"/api/file/{file['id']}")
    part = await ada.client.get(f"/api/file/{file['id']}", {"Range": "bytes=0-3"})

    for answer in (whole, part):
        assert (answer.status, answer.error["type"]) == (503, "UNAVAILABLE")
        assert answer.header("retry-after") == "5"
    assert (await shown(ada, file["id"]))["scannedAt"] is None
    await hera.client.post("/api/queues/files/resume")
    await job_in(ada.client, file["jobId"], "done")
    assert (await ada.client.get(f"/api/file/{file['id']}")).status == 200


async def test_a_scan_that_failed_is_tried_again(guarded: Olympus, tmp_path: Path) -> None:
    """A scanner that cannot say leaves the file waiting, and the job's next run asks it again."""
    ada = await guarded.person("Ada")
    broken = tmp_path / "scanner" / "broken"
    broken.touch()

    file = (await ada.client.upload("/api/file", "iliad.txt", CLEAN)).json
    waiting = await job_in(ada.client, file["jobId"], "retrying", "scheduled", "waiting")
    calls = tmp_path / "scanner" / "calls"
    await wait_until(calls.exists, "the scanner was never asked")
    refused = await ada.client.get(f"/api/file/{file['id']}")
    broken.unlink()
    job = await job_in(ada.client, file["jobId"], "done")

    assert refused.status == 503, waiting
    assert job["attempt"] > 1
    assert (await ada.client.get(f"/api/file/{file['id']}")).status == 200


async def test_the_scanner_gets_the_path_and_nothing_else(guarded: Olympus, tmp_path: Path) -> None:
    """Its words are those of the setting and the path of the file, which has no part of the name that was sent."""
    ada = await guarded.person("Ada")

    file = await uploaded(ada, CLEAN, "$(touch horse).txt")

    (path,) = guarded.kept()
    assert path.name == file["id"]
    assert (tmp_path / "scanner" / "calls").read_text() == f"{['--quiet', str(path)]!r}\n"


async def test_a_refusal_is_recorded_without_the_name(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The audit log has the file's id and what became of it; the log says so too, and never the file's name."""
    async with scanned(tmp_path, olympus_url, valkey, store_prefix) as olympus:
        ada = await olympus.person("Ada")
        file = await uploaded(ada, EVIL, "gift-of-the-greeks.txt")
        (row,) = [row for row in await log(olympus) if row.action == "file:process"]
    written = "".join(capfd.readouterr())

    assert (row.actor, row.object, row.outcome) == (ada.id, file["id"], "refused by the scanner")
    assert "file.refused" in written
    assert "gift-of-the-greeks" not in written


async def test_a_refused_file_takes_no_room(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Its bytes do not count any more, and its owner deletes what is known of it as ever."""
    settings = {"FILES_SCANNER": ",".join(program(tmp_path / "scanner", SCANNER)), "FILES_USER_BYTES": str(len(CLEAN))}
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings=settings) as olympus:
        ada = await olympus.person("Ada")
        refused = await uploaded(ada, EVIL)

        kept = await ada.client.upload("/api/file", "iliad.txt", CLEAN)
        deleted = await ada.client.delete(f"/api/file/{refused['id']}")

        assert (kept.status, deleted.status) == (201, 204)
        await job_in(ada.client, kept.json["jobId"], "done")


async def test_files_from_before_the_scanner_are_scanned(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Where a scanner is new, `files:scan` queues what waits for it, and each file gets its verdict."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix) as olympus:
        ada = await olympus.person("Ada")
        good, bad = await uploaded(ada, CLEAN), await uploaded(ada, EVIL)
        assert (await ada.client.get(f"/api/file/{bad['id']}")).status == 200
        await age_files(olympus)
    async with scanned(tmp_path, database_url, valkey, store_prefix) as olympus:
        ada.client = olympus.client()
        await olympus.sign_in(ada)
        before = await ada.client.get(f"/api/file/{good['id']}")

        queued = await olympus.running.call(scan_files)

        async def all_are_scanned() -> bool:
            files = await shown(ada, good["id"]), await shown(ada, bad["id"])
            return (files[0]["scannedAt"] and files[1]["refusedAt"]) is not None

        await wait_until(all_are_scanned, "the files were never scanned", within=15.0)
        assert (before.status, queued.queued) == (503, 2)
        assert (await ada.client.get(f"/api/file/{good['id']}")).status == 200
        assert (await olympus.running.call(scan_files)).queued == 0


async def test_a_file_that_no_scan_can_come_to_is_asked_for_now_and_then(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Every two hours: each time it leaves a dead job, and those of others must stay to be seen."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix) as olympus:
        ada = await olympus.person("Ada")
        file = await uploaded(ada, CLEAN)
        await job_in(ada.client, file["jobId"], "done")
        (path,) = (each for each in olympus.kept() if each.name == file["id"])
        path.unlink()
        lost = await ada.client.get(f"/api/file/{file['id']}")
        await age_files(olympus)
    async with scanned(tmp_path, olympus_url, valkey, store_prefix) as olympus:
        queued = [(await olympus.running.call(scan_files)).queued for _ in range(2)]
        await change_files(olympus, scan_asked_at=datetime.now(UTC) - timedelta(hours=2))
        queued.append((await olympus.running.call(scan_files)).queued)

    assert (lost.status, lost.error["type"]) == (503, "UNAVAILABLE")
    assert queued == [1, 0, 1]


async def age_files(olympus: Olympus) -> None:
    """Let every file be two hours older."""
    await change_files(olympus, created_at=datetime.now(UTC) - timedelta(hours=2))


async def change_files(olympus: Olympus, **values: datetime) -> None:
    """Let every file have these values."""
    database = olympus.running.runtime.require(Database, "the test")
    async with database.transaction(write=True) as work:
        await work.unscoped("the test makes files old").execute(update(files_table).values(values))


# The program


@pytest.mark.parametrize(
    ("code", "verdict", "end"),
    [
        ("raise SystemExit(0)", Verdict.CLEAN, "exit 0"),
        ("raise SystemExit(1)", Verdict.FOUND, "exit 1"),
        ("raise SystemExit(2)", Verdict.FAILED, "exit 2"),
        ("import os; os.kill(os.getpid(), 9)", Verdict.FAILED, "signal 9"),
    ],
)
async def test_the_exit_code_is_the_verdict(tmp_path: Path, code: str, verdict: Verdict, end: str) -> None:
    """0 is clean, 1 is a find, and everything else is no verdict."""
    found = await scan(program(tmp_path, code), tmp_path / "file", 30)

    assert (found.verdict, found.end) == (verdict, end)


async def test_a_program_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    """A scanner that cannot be started has failed."""
    found = await scan((str(tmp_path / "none"),), tmp_path / "file", 30)

    assert (found.verdict, found.end) == (Verdict.FAILED, "could not be started: FileNotFoundError")


async def test_a_scanner_that_hangs_is_killed(tmp_path: Path) -> None:
    """When its time is over, it and whatever it has started end, and the scan has failed."""
    code = "import subprocess, time\nprint(subprocess.Popen(['/bin/sleep', '600']).pid, flush=True)\ntime.sleep(600)"

    found = await scan(program(tmp_path, code), tmp_path / "file", 2)

    assert (found.verdict, found.end) == (Verdict.FAILED, "was not done in time")
    await wait_until(lambda: not runs(found.said), "what the scanner had started was never killed")


def runs(pid: str) -> bool:
    """Whether a process with this id runs; one that is dead and waits for its parent does not."""
    status = Path("/proc") / pid / "stat"
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_what_a_scanner_says_is_bounded(tmp_path: Path) -> None:
    """A scanner that talks without end is never held up, and its first words are all that is kept."""
    found = await scan(program(tmp_path, "for _ in range(40): print('x' * 100_000)"), tmp_path / "file", 30)

    assert (found.verdict, found.said) == (Verdict.CLEAN, "x" * SAID_BYTES)


async def test_a_scan_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    """Whether the scanner runs by then or not: it is gone, and so are both ends of its pipe."""
    await scan(("/bin/true",), tmp_path, 30)
    before = open_files()

    for turns in range(6):
        scanning = asyncio.create_task(scan(("/bin/sleep", "600"), tmp_path, 30))
        for _ in range(turns):
            await asyncio.sleep(0)
        scanning.cancel()
        await asyncio.wait([scanning])

    await wait_until(lambda: open_files() == before, "something was never closed")


def open_files() -> int:
    """How many descriptors this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


async def test_a_scanner_gets_a_clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of our variables reaches it, nor what comes to our own input."""
    monkeypatch.setenv("IDENTITY_SECRET", "planted")
    code = "import os, sys; print(sorted(os.environ), repr(sys.stdin.read()), os.getcwd())"

    found = await scan(program(tmp_path, code), tmp_path / "file", 30)

    assert found.said == "['LC_ALL', 'PATH'] '' /"


def test_a_scanner_without_its_full_path_stops_the_start() -> None:
    """The setting says what to write, as no PATH of ours is searched."""
    problems = [*FileSettings(scanner=("clamdscan", "--no-summary")).problems("production")]

    assert problems == [Fault("scanner", "runs without a PATH of yours: begin with the full path of the program")]


def test_the_time_for_a_scan_is_bounded() -> None:
    """It has to end within the job that waits for it."""
    times = [timedelta(0), timedelta(seconds=1), timedelta(minutes=10), timedelta(minutes=10, microseconds=1)]

    found = [[fault.name for fault in FileSettings(scan_time=time).problems("production")] for time in times]

    assert found == [["scan_time"], [], [], ["scan_time"]]


def test_a_scanner_that_is_not_there_is_warned_of(tmp_path: Path) -> None:
    """`check --deploy` says so before the first file waits for it."""
    settings = FileSettings(scanner=(str(tmp_path / "none"),))

    assert [fault.name for fault in settings.warnings("production")] == ["scanner"]
