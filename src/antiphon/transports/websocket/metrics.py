"""What is counted about sockets: how many there are, what waits for them, what was dropped, and how they closed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.transports.websocket import errors

if TYPE_CHECKING:
    from antiphon.transports.websocket.desk import Desk

_OURS = frozenset((*errors.CLOSE_CODES.values(), *errors.OF_SOCKETS, 1001, 1002, 1005, 1006, 1007))


class SocketCollector(Collector):
    """Shows what a desk knows when somebody asks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> Iterable[Metric]:
        """Sockets and the bytes that wait for them now; frames dropped and sockets closed so far."""
        desk = self._desk
        waiting = sum(client.waiting_bytes for client in desk.clients)
        yield GaugeMetricFamily("antiphon_sockets", "Open sockets.", value=len(desk.clients))
        yield GaugeMetricFamily("antiphon_socket_waiting_bytes", "What waits to be sent to sockets.", value=waiting)
        yield CounterMetricFamily(
            "antiphon_socket_dropped_frames",
            "Frames that found no room, and of which only the newest would have counted.",
            value=desk.dropped,
        )
        closes = CounterMetricFamily("antiphon_socket_closes", "Sockets that have closed.", labels=("code",))
        for code, count in sorted(desk.closes.items()):
            closes.add_metric((str(code) if code else "other",), count)
        yield closes


def shown_code(code: int) -> int:
    """The code to count a close under: clients choose theirs freely, and nobody may make thousands of labels; 0."""
    return code if code in _OURS else 0
