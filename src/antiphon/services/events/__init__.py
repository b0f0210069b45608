"""Facts that parts and services tell each other: who announces them, who listens, and what is done again."""

from __future__ import annotations
