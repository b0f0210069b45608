"""The atomic steps of events, one script each: over the keys of one log, or of one listener's queue."""

from __future__ import annotations
