"""The steps of a schedule: looking at its last tick, and moving it on."""

from __future__ import annotations
