"""One measurement of one server at one work: its figures by name, and what is to be said beside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import TracebackType

from bench.http.polling import Poll
from bench.live.peers import Work


@dataclass(frozen=True)
class Visit:
    """Figures are seconds, bytes or numbers; `busy` and `load_busy` are parts of one core."""

    peer: str
    work: Work
    round: int
    figures: Mapping[str, float]
    said: str = ""

    def facts(self) -> Mapping[str, object]:
        """This visit as plain values."""
        return asdict(self)


@dataclass
class Meter:
    """What stretches of time have cost both sides, added up: `with Meter(server_cpu) as spent: …`.

    `poll` is that of a load which never sleeps; what it spends on asking in vain is not counted.
    """

    server_cpu: Callable[[], float]
    poll: Poll | None = None
    seconds: float = 0.0
    server: float = 0.0
    load: float = 0.0
    _before: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0), repr=False)

    def __enter__(self) -> Meter:
        self._before = (time.perf_counter(), self.server_cpu(), self._load_cpu())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            return
        started, server, load = self._before
        self.load += self._load_cpu() - load
        self.server += self.server_cpu() - server
        self.seconds += time.perf_counter() - started

    def _load_cpu(self) -> float:
        return time.process_time() - (0.0 if self.poll is None else self.poll.idle)

    def busy(self) -> dict[str, float]:
        """How busy the core of either side was."""
        return {"busy": self.server / self.seconds, "load_busy": self.load / self.seconds}


def spread(latencies: list[float]) -> dict[str, float]:
    """The time within which half of them, and 99 in 100, were done."""
    latencies.sort()
    count = len(latencies)
    return {"half": latencies[count // 2], "worst": latencies[count * 99 // 100]}
