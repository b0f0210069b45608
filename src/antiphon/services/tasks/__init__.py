"""Work for later: queued calls, what an action says about its queue, schedules without a leader, and fan-out."""

from __future__ import annotations
