"""The audit log: rows that are only ever added, each with the hash of the row before."""

from __future__ import annotations
