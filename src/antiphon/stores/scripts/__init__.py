"""The Lua that runs in the store as one step, each file beside the Python that gives it a typed signature."""

from __future__ import annotations
