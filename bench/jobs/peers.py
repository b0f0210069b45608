"""The queues that are measured, and where each of them is installed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Queue:
    """One queue: its module `bench.jobs.queues.<key>_queue`, and the environment that has it."""

    key: str
    name: str
    environment: str = ".venv-bench-jobs"

    @property
    def python(self) -> str:
        """The interpreter that can import it."""
        return str(ROOT / self.environment / "bin" / "python")


QUEUES = (
    Queue("antiphon", "**Antiphon**", ".venv-bench"),
    Queue("docket", "docket"),
    Queue("taskiq", "taskiq"),
    Queue("arq", "arq"),
    Queue("celery", "Celery"),
)

OURS = QUEUES[0]


def chosen(only: str) -> list[Queue]:
    """The queues that `--only` names, or all of them. Raises ValueError for one that is not here."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    known = {queue.key: queue for queue in QUEUES}
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"--only names {', '.join(unknown)}. There are: {', '.join(known)}.")
    return [known[name] for name in wanted] or list(QUEUES)
