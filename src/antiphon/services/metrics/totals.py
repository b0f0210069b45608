"""Sums what several processes counted, and keeps what the ended ones had counted, so that no sum goes back."""

# What becomes of a family of metrics:
#
#   counter, histogram, summary     summed over all processes, the ended ones too; `…_created` is the earliest
#   anything else (gauges, infos)   each process has its own, told apart by the label `worker`; an ended one has none

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

SUMMED = frozenset(("counter", "histogram", "summary"))

type Labels = tuple[tuple[str, str], ...]


class _Family(msgspec.Struct, array_like=True):
    """One family of a snapshot: what it is called, and each sample with its labels."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Labels, float]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Family]).decode


def snapshot(registry: CollectorRegistry) -> bytes:
    """Everything a registry has counted so far, for `Totals` of another process."""
    return _encode(
        [
            _Family(
                each.name,
                each.type,
                each.documentation,
                [(sample.name, tuple(sample.labels.items()), float(sample.value)) for sample in each.samples],
            )
            for each in registry.collect()
        ]
    )


class Totals(Collector):
    """The sum of snapshots."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}
        self._values: dict[str, dict[tuple[str, Labels], float]] = {}

    def add(self, taken: bytes, worker: int | None = None) -> None:
        """Add a snapshot; without the number of a running `worker` it is of one that has ended."""
        for family in _decode(taken):
            summed = family.kind in SUMMED
            if not summed and worker is None:
                continue
            self._families.setdefault(family.name, family)
            values = self._values.setdefault(family.name, {})
            for name, labels, value in family.samples:
                if not summed:
                    values[name, (*labels, ("worker", str(worker)))] = value
                elif name.endswith("_created"):
                    values[name, labels] = min(value, values.get((name, labels), value))
                else:
                    values[name, labels] = values.get((name, labels), 0.0) + value

    def copy(self) -> Totals:
        """The same sums, to be added to apart from these."""
        other = Totals()
        other._families = dict(self._families)
        other._values = {name: dict(values) for name, values in self._values.items()}
        return other

    def collect(self) -> Iterable[Metric]:
        """The sums as metrics."""
        for family in self._families.values():
            metric = Metric(family.name, family.help, family.kind)
            for (name, labels), value in self._values[family.name].items():
                metric.add_sample(name, dict(labels), value)
            yield metric

    def render(self) -> bytes:
        """The sums as Prometheus text."""
        registry = CollectorRegistry()
        registry.register(self)
        return generate_latest(registry)
