"""What the tests of an application import: clients, a clock, real engines, and ways to wait."""

from __future__ import annotations
