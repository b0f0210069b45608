"""The audit log as admins see it: whether every row is still what was written."""

from __future__ import annotations

from antiphon import Audit, Module, Work, audit_metadata

__all__ = ["metadata", "module"]

metadata = audit_metadata
"""The tables of the audit log. An application merges them into its own schema."""

module = Module(__name__, needs=[Audit, Work])
