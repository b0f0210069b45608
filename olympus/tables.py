"""Every table of Olympus: its own and those of the modules it uses."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import MetaData

from antiphon import NAMES, Schema, channels_metadata
from antiphon.modules import accounts, audit, files, jobs
from olympus.messages import tables as messages

metadata = MetaData(naming_convention=NAMES)

for part in (channels_metadata, jobs.metadata, accounts.metadata, files.metadata, messages.metadata, audit.metadata):
    for table in part.tables.values():
        table.to_metadata(metadata)

schema = Schema(metadata, Path(__file__).parent / "migrations")
