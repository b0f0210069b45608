"""Several processes on one port: killed, renewed and stopped under load, they lose neither calls nor counts."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from signal import Signals

import pytest

from antiphon.testing.raw import BrokenAnswer, RawHttp
from antiphon.testing.waiting import wait_until
from tests.faults.crew_process import (
    PATIENCE,
    all_workers,
    counted,
    crew,
    runs,
    serving_crew,
    shown_in,
    who_answers,
    who_answers_if_any,
)
from tests.faults.http_process import AppProcess
from tests.faults.http_writer import Writer


async def test_several_workers_answer_on_one_port(tmp_path: Path) -> None:
    """The greeting comes once, with their number; none of them is the first process."""
    async with serving_crew(tmp_path, 3) as app:
        pids = await all_workers(app, 3)
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0

    assert len(pids) == 3
    assert app.pid not in pids
    assert app.said.count("address ") == 1
    assert "workers   3 processes" in app.said


async def test_auto_is_a_worker_for_each_core(tmp_path: Path) -> None:
    """`--workers auto`, as far as this process may use them; on one core that is no crew at all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    async with crew(tmp_path, None, "--workers", "auto") as app:
        await app.listens()
        assert len(await all_workers(app, cores)) == cores


async def test_a_killed_worker_is_replaced_and_costs_no_new_connection(tmp_path: Path) -> None:
    """What connects after its death is answered, by the others or by who comes in its place."""
    async with serving_crew(tmp_path, 2) as app:
        before = await all_workers(app, 2)
        killed = min(before)
        os.kill(killed, Signals.SIGKILL)
        await wait_until(lambda: not runs(killed), "it never died")

        answered = await asyncio.gather(*(who_answers(app) for _ in range(20)))

        assert killed not in answered
        assert len(await all_workers(app, 2, without=frozenset({killed}))) == 2
    assert "crew.worker_gone" in app.said


async def test_a_worker_that_is_killed_takes_no_store_away(tmp_path: Path) -> None:
    """The first process owns the embedded store: the others go on without noticing."""
    async with AppProcess.run(tmp_path, flags=("--workers", "2")) as app:
        await app.listens()
        workers = re.findall(r'"event":"http.listening","worker":(\d)', app.said)
        assert sorted(workers) == ["1", "2"]
        children = worker_pids(app)
        os.kill(children[0], Signals.SIGKILL)
        statuses = [await status_if_any(app) for _ in range(20)]

    assert set(statuses) <= {201, 0}
    assert app.said.count('"owner":true') == 1


async def test_workers_that_all_die_come_back(tmp_path: Path) -> None:
    """Each place is taken again."""
    async with serving_crew(tmp_path, 2) as app:
        before = await all_workers(app, 2)
        for pid in before:
            os.kill(pid, Signals.SIGKILL)
        await wait_until(lambda: not any(map(runs, before)), "they never died")

        assert await who_answers(app) not in before
        assert len(await all_workers(app, 2, without=before)) == 2


# Counting


async def test_metrics_add_up_over_workers(tmp_path: Path) -> None:
    """Whichever worker is scraped shows every call, once."""
    async with serving_crew(tmp_path, 3) as app:
        asked = 0
        found: set[int] = set()
        while len(found) < 3 or asked < 30:
            found.add(await who_answers(app))
            asked += 1

        assert {await counted(app) for _ in range(12)} == {float(asked)}


async def test_counts_do_not_go_back_when_a_worker_dies(tmp_path: Path) -> None:
    """What was shown once stays, and the worker in its place counts on."""
    async with serving_crew(tmp_path, 2) as app:
        asked = 0
        for _ in range(20):
            await who_answers(app)
            asked += 1
        assert await counted(app) == asked
        killed = await who_answers(app)
        asked += 1
        assert await counted(app) == asked

        os.kill(killed, Signals.SIGKILL)
        await wait_until(lambda: not runs(killed), "it never died")
        assert await counted(app) == asked
        for _ in range(10):
            await who_answers(app)
            asked += 1

        assert await counted(app) == asked


async def test_counts_survive_a_renewal_whole(tmp_path: Path) -> None:
    """A worker that ends as it should says its last word first."""
    async with serving_crew(tmp_path, 2) as app:
        before = await all_workers(app, 2)
        shown = await counted(app)
        for _ in range(10):
            await who_answers(app)
        app.send(Signals.SIGHUP)
        await wait_until(lambda: not any(map(runs, before)), "they were never renewed", within=PATIENCE)

        assert await counted(app) == shown + 10


async def test_a_worker_that_does_not_answer_is_counted_at_its_last_word(tmp_path: Path) -> None:
    """A scrape waits for it for a moment, and no sum goes back."""
    async with serving_crew(tmp_path, 2) as app:
        pids = await all_workers(app, 2)
        shown = await counted(app)
        async with app.connect() as connection:
            asked = json.loads((await connection.get("/api/process")).body)["pid"]
            (other,) = pids - {asked}
            os.kill(other, Signals.SIGSTOP)
            try:
                text = (await connection.get("/metrics")).body
            finally:
                os.kill(other, Signals.SIGCONT)

    assert shown_in(text) == shown + 1


async def test_each_process_shows_its_own_memory(tmp_path: Path) -> None:
    """What cannot be summed is told apart by the number of the worker."""
    async with serving_crew(tmp_path, 2) as app:
        text = (await app.ask("GET", "/metrics")).body.decode()

    assert set(re.findall(r'^process_resident_memory_bytes\{worker="(\d)"\}', text, re.MULTILINE)) == {"1", "2"}
    assert len(re.findall(r"^process_cpu_seconds_total ", text, re.MULTILINE)) == 1


# Ending and renewing


async def test_a_stop_of_all_workers_under_load_loses_no_accepted_call(tmp_path: Path) -> None:
    """Every write that was acknowledged is there, and the exit code is 0."""
    async with AppProcess.run(tmp_path, flags=("--workers", "2")) as app:
        await app.listens()
        writers, writing = await loaded(app)
        app.send(Signals.SIGTERM)
        code = await app.ended()
        await asyncio.gather(*writing)

    assert code == 0
    assert_kept(tmp_path, writers)


async def test_a_renewal_under_load_loses_nothing(tmp_path: Path) -> None:
    """SIGHUP replaces every worker; no connection is refused, and every write that was acknowledged is there."""
    async with AppProcess.run(tmp_path, flags=("--workers", "2")) as app:
        await app.listens()
        writers, writing = await loaded(app)
        before = worker_pids(app)
        app.send(Signals.SIGHUP)
        await wait_until(lambda: not any(map(runs, before)), "they were never renewed", within=PATIENCE)
        written = [len(writer.acknowledged) for writer in writers]
        await wait_until(
            lambda: all(len(writer.acknowledged) > many for writer, many in zip(writers, written, strict=True)),
            "the load never went on",
            within=PATIENCE,
        )
        refused = [task for task in writing if task.done()]
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0
        await asyncio.gather(*writing)

    assert not refused
    assert_kept(tmp_path, writers)


async def test_a_renewal_that_cannot_start_leaves_the_old_workers(tmp_path: Path) -> None:
    """A fault in new settings costs nobody a server that works."""
    async with serving_crew(tmp_path, 2) as app:
        before = await all_workers(app, 2)
        (tmp_path / "wrong").write_text("The strength has left. Bring it back.")
        app.send(Signals.SIGHUP)
        await wait_until(lambda: "crew.not_renewed" in app.said, "nobody said so", within=PATIENCE)

        assert await all_workers(app, 2) == before


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_crew_serves_on_a_unix_socket(tmp_path: Path, workers: int) -> None:
    """All on one; its file goes at the end."""
    path = tmp_path / "s"
    async with crew(tmp_path, None, "--workers", str(workers), "--unix", str(path)) as app:
        await wait_until(lambda: f"address   unix:{path}" in app.said, "it never listened", within=PATIENCE)
        connection = RawHttp(*await asyncio.open_unix_connection(path))
        assert (await connection.get("/api/process")).status == 200
        await connection.close()
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0
    assert not path.exists()


async def test_a_second_signal_ends_every_worker_at_once(tmp_path: Path) -> None:
    """With 1, whatever still runs."""
    async with serving_crew(tmp_path, 2) as app:
        pids = await all_workers(app, 2)
        async with app.connect() as connection:
            await connection.send(b"PUT /api/wait HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
            app.send(Signals.SIGTERM)
            await wait_until(lambda: "crew.draining" in app.said, "it never began to drain")
            app.send(Signals.SIGTERM)
            assert await app.ended() == 1
        await wait_until(lambda: not any(map(runs, pids)), "workers were left behind")


async def test_workers_end_when_the_first_process_is_killed(tmp_path: Path) -> None:
    """They are not left behind to serve what nobody looks after."""
    async with serving_crew(tmp_path, 2) as app:
        pids = await all_workers(app, 2)
        app.send(Signals.SIGKILL)
        await wait_until(lambda: not any(map(runs, pids)), "workers were left behind", within=PATIENCE)


# Starting


async def test_a_port_that_is_taken_is_exit_78_told_once(tmp_path: Path) -> None:
    """Also when another crew has it, whose sockets would let a second one in."""
    async with serving_crew(tmp_path / "one", 2) as first:
        async with crew(tmp_path / "two", {"PORT": str(first.port)}, "--workers", "2") as second:
            assert await second.ended() == 78
        assert second.said.count(f"port {first.port}") == 1
        assert "Traceback" not in second.said
        assert await who_answers_if_any(first)


async def test_a_set_up_that_is_wrong_is_exit_78_told_once(tmp_path: Path) -> None:
    """By the worker that found it; the others are not even started."""
    (tmp_path / "wrong").write_text("The strength has left. Bring it back.")
    async with crew(tmp_path, None, "--workers", "3") as app:
        assert await app.ended() == 78

    assert app.said.count("The strength has left") == 1
    assert "Traceback" not in app.said


async def loaded(app: AppProcess) -> tuple[list[Writer], list[asyncio.Task[None]]]:
    """Writers at work."""
    writers = [Writer(app, first) for first in range(0, 8_000_000, 1_000_000)]
    writing = [asyncio.create_task(writer.write()) for writer in writers]
    await wait_until(
        lambda: all(len(writer.acknowledged) > 5 for writer in writers), "the load never began", within=PATIENCE
    )
    return writers, writing


def assert_kept(folder: Path, writers: list[Writer]) -> None:
    """What was acknowledged is there; what is there without was on a connection that was being closed."""
    with closing(sqlite3.connect(folder / "var" / "suffering.db")) as database:
        rows = {row for (row,) in database.execute("SELECT id FROM counters")}
    acknowledged = {number for writer in writers for number in writer.acknowledged}
    assert acknowledged <= rows
    assert len(rows - acknowledged) <= sum(writer.broken for writer in writers)


def worker_pids(app: AppProcess) -> list[int]:
    """The workers of a crew that logs what it starts."""
    return [int(pid) for pid in re.findall(r'"event":"crew.worker_started".*?"pid":(\d+)', app.said)]


async def status_if_any(app: AppProcess) -> int:
    """The status of a write into the store; 0 when the worker that was asked has died."""
    try:
        return await app.status("PUT", "/api/key", {"number": 1})
    except (BrokenAnswer, ConnectionResetError):
        return 0
