"""Counters as Prometheus text, of one process or summed over the processes of a crew."""

from __future__ import annotations

from antiphon.services.metrics.service import Metrics, metrics
from antiphon.services.metrics.totals import Totals

__all__ = ["Metrics", "Totals", "metrics"]
