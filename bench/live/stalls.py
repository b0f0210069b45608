"""Watchers of whom one in a hundred stops reading: what the others notice, and what the server keeps for them."""

from __future__ import annotations

import time

from bench.live.fans import Fan, StoodStill, fates
from bench.live.running import LiveRunning

STALLED = 10
EVENTS = 600
"""Of 4 KiB each: what waits for one that reads none of them is 2.4 MiB, more than a bounded queue should hold."""

MOST_SECONDS = 12.0
LOOK_EVENTS = 10


def measure_stall(server: LiveRunning, *, warm_up: float, seconds: float) -> tuple[dict[str, float], str]:
    """First everybody reads, for `seconds`; then all but ten do, for 600 events. And what became of the ten."""
    with Fan(server, large=True, stalled=STALLED) as fan:
        fan.run_for(warm_up)
        before = fan.measure(server, seconds)
        published = fan.published
        kept = most = server.resident_bytes()
        fan.stall()
        end = time.monotonic() + MOST_SECONDS

        def is_over() -> bool:
            nonlocal most
            if fan.published % LOOK_EVENTS == 0:
                most = max(most, server.resident_bytes())
            return fan.published - published >= EVENTS or time.monotonic() > end

        try:
            after = fan.measure(server, 0, is_over)
        except StoodStill:
            events = fan.published - published
            return {"calm": before["worst"], "cpu": before["cpu"], "grown": most - kept}, (
                f"everybody stood still after {events} events"
            )
        grown = max(most, server.resident_bytes()) - kept
        became = fates(fan.stalled, fan.published - published, within=1.0)
        figures = {"calm": before["worst"], "worst": after["worst"], "change": after["event"] / before["event"]}
        figures |= {"event": after["event"], "grown": grown, "events": fan.published - published, "cpu": after["cpu"]}
        return figures, "; ".join(f"{number} {fate}" for fate, number in became.items())
