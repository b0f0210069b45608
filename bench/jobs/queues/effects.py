"""The effect that a killed worker may leave undone or do twice: a number pushed onto a list of the store."""

from __future__ import annotations

EFFECTS = "bench:effects"

EFFECT_SECONDS = 0.05
"""How long such a job works before its effect: long enough to be killed in."""

SHORT_SECONDS = 0.01
