"""The tables of the outbox: what a transaction leaves to be sent, and who sends it. An application merges them in."""

# outbox         a row for each message that a committed transaction has to send. `seq` rises in the order of commits of
#                transactions that touch the same rows, because it is taken right before the COMMIT. `target` is
#                `<kind>:<lane>`, as in "jobs:mail" and "events:order"; a row with `aside:` before it is not sent.
# outbox_lease   one row. `holder` is the process that sends, `beat` rises while it does, and `store_mark` is the mark
#                with which the store was last seen.

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table

from antiphon.services.database import NAMES, UtcDateTime

outbox_metadata = MetaData(naming_convention=NAMES)

outbox = Table(
    "outbox",
    outbox_metadata,
    Column("seq", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(512), nullable=False, unique=True),
    Column("target", String(200), nullable=False),
    Column("key", String(512), nullable=False, server_default=""),
    Column("message", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # A number that was given away is never given again, so that logs tell one row from another.
    sqlite_autoincrement=True,
)

outbox_lease = Table(
    "outbox_lease",
    outbox_metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", String(64), nullable=False, server_default=""),
    Column("beat", BigInteger, nullable=False, server_default="0"),
    Column("store_mark", String(64), nullable=False, server_default=""),
)

ASIDE = "aside:"
"""What stands in front of the target of a row that can never be sent. Take it away to have the row tried again."""
