"""Where shared state lives: one contract, a Redis or Valkey server, and one embedded when there is none."""

from __future__ import annotations
