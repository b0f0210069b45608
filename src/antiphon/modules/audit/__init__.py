"""The audit log as admins see it: its rows, whether every one is still what was written, and how old ones go."""

from __future__ import annotations

from antiphon import Audit, AuditSettings, Cursors, Database, Module, Work, audit_metadata

__all__ = ["metadata", "module"]

metadata = audit_metadata
"""The tables of the audit log. An application merges them into its own schema."""

module = Module(__name__, needs=[Audit, AuditSettings, Cursors, Database, Work])
