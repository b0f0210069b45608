"""The tables of the audit log: the rows, and both ends of their chain."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table

from antiphon.services.database.columns import UtcDateTime
from antiphon.services.database.schema import NAMES

WIDTHS = {
    "actor": 64,
    "tenant_id": 36,
    "action": 256,
    "object": 256,
    "outcome": 64,
    "address": 64,
    "request_id": 128,
}
"""The characters of the texts of a row."""

BEGINNING = "0" * 64
"""What stands before the first row of all."""

audit_metadata = MetaData(naming_convention=NAMES)

# Not an `Id`, and it may be null: the log reaches beyond tenants, so the fence around them must not stand here.
audit_log = Table(
    "audit_log",
    audit_metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("actor", String(WIDTHS["actor"]), nullable=False, index=True),
    Column("tenant_id", String(WIDTHS["tenant_id"]), nullable=True, index=True),
    Column("action", String(WIDTHS["action"]), nullable=False, index=True),
    Column("object", String(WIDTHS["object"]), nullable=False),
    Column("outcome", String(WIDTHS["outcome"]), nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),
    Column("address", String(WIDTHS["address"]), nullable=False),
    Column("request_id", String(WIDTHS["request_id"]), nullable=False),
    Column("before_hash", String(64), nullable=False),
)

audit_end = Table(
    "audit_end",
    audit_metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("first_seq", BigInteger, nullable=False, server_default="1"),
    Column("first_hash", String(64), nullable=False, server_default=BEGINNING),
)
