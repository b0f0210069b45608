"""The tables of a run, and whether what was to be reached was reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from bench.jobs.faults import Losses
from bench.jobs.peers import OURS, QUEUES
from bench.jobs.visits import Figures

COLUMNS = (
    "queue",
    "enqueued/s",
    "µs CPU each",
    "worked/s",
    "µs CPU each",
    "10 ms jobs/s",
    "p50 ms",
    "p99 ms",
    "worker MiB",
    "store B/job",
)

NAMES = {queue.key: queue.name for queue in QUEUES}


def report(facts: Mapping[str, str], figures: Sequence[Figures], killed: Sequence[Losses], rounds: int) -> str:
    """Everything, as Markdown. Figures are medians over the rounds."""
    medians = [_median(key, figures) for key in dict.fromkeys(figure.queue for figure in figures)]
    lines = ["# Jobs, one worker of fifty slots", "", f"- method: {rounds} interleaved rounds"]
    lines += [f"- {name}: {value}" for name, value in facts.items()]
    lines += ["", "### To reach", "", *_verdicts(medians, killed)]
    lines += ["", "### figures", "", *_table(medians)]
    if killed:
        lines += ["", "### six kills of the worker and one of the store", "", *_losses(killed)]
    return "\n".join(lines) + "\n"


def _median(key: str, figures: Iterable[Figures]) -> Figures:
    mine = [figure for figure in figures if figure.queue == key]
    names = [name for name in Figures.__dataclass_fields__ if name != "queue"]
    return Figures(key, **{name: median(getattr(figure, name) for figure in mine) for name in names})


def _verdicts(medians: Sequence[Figures], killed: Sequence[Losses]) -> Iterable[str]:
    ours = next((figure for figure in medians if figure.queue == OURS.key), None)
    for peer in medians:
        if ours is None or peer is ours:
            continue
        for what, name in (("enqueue", "enqueue_rate"), ("work through", "work_rate"), ("10 ms", "short_rate")):
            ratio = getattr(ours, name) / getattr(peer, name)
            # Two of the three are directions; jobs of 10 ms are bounded by the slots for everybody.
            word = "reached" if ratio > 1 else "NOT REACHED" if name != "short_rate" else "behind"
            yield f"- {word}: {what}, {ratio:.2f} × {peer_name(peer.queue)}"
    for loss in killed:
        if loss.queue == OURS.key:
            yield f"- {'reached' if not loss.lost else 'NOT REACHED'}: {loss.lost} of {loss.jobs:,} lost (wanted: none)"


def _table(medians: Sequence[Figures]) -> Iterable[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- |" + " ---: |" * (len(COLUMNS) - 1)
    for one in sorted(medians, key=lambda figure: -figure.work_rate):
        cells = [
            NAMES[one.queue],
            f"{one.enqueue_rate:,.0f}",
            f"{one.enqueue_cpu:,.0f}",
            f"{one.work_rate:,.0f}",
            f"{one.work_cpu:,.0f}",
            f"{one.short_rate:,.0f}",
            f"{one.p50_ms:.1f}",
            f"{one.p99_ms:.1f}",
            f"{one.worker_bytes / 2**20:,.0f}",
            f"{one.store_bytes_each:,.0f}",
        ]
        yield f"| {' | '.join(cells)} |"


def _losses(killed: Sequence[Losses]) -> Iterable[str]:
    yield "| queue | jobs | lost | done twice | last one after s |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for loss in killed:
        yield f"| {NAMES[loss.queue]} | {loss.jobs:,} | {loss.lost:,} | {loss.doubled:,} | {loss.seconds:,.0f} |"


def peer_name(key: str) -> str:
    """The name of a queue in running text."""
    return NAMES[key].strip("*")
