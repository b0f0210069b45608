"""The table of lost events: which topics have watchers who were not told yet. An application merges it in."""

# channel_losses    a row for each topic of which an event could not be sent, until the topic's watchers have been told.
#                   `topic` is its name in the store, `epoch` is the one under which its log has to begin anew, and
#                   `head_life` is for how many milliseconds that is to be remembered there.

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Table

from antiphon.services.database.columns import UtcDateTime
from antiphon.services.database.schema import NAMES

channels_metadata = MetaData(naming_convention=NAMES)

channel_losses = Table(
    "channel_losses",
    channels_metadata,
    Column("topic", String(512), primary_key=True),
    Column("epoch", String(16), nullable=False),
    Column("head_life", BigInteger, nullable=False),
    Column("lost_at", UtcDateTime, nullable=False),
)
