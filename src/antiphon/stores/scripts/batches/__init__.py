"""The steps of a fan-out: keeping its pieces, noting how far it was sent, and counting how its children end."""

from __future__ import annotations
