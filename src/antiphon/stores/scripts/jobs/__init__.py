"""The atomic steps of a job, one script each, over the keys of one queue."""

from __future__ import annotations
