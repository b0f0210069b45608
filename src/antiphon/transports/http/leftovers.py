"""Takes away uploads that a process left behind when it died in the middle of a call."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

LEFTOVER_AGE = timedelta(days=1)
"""No call takes this long, so nobody can still be using what is older: other processes share the folder."""


def sweep_uploads(folder: Path, now: datetime) -> int:
    """Remove the folders of uploads that are older than a day; gives how many. What cannot be removed stays."""
    swept = 0
    for left in folder.glob("upload-*"):
        try:
            changed_at = datetime.fromtimestamp(left.stat().st_mtime, UTC)
        except OSError:
            continue
        if now - changed_at > LEFTOVER_AGE:
            shutil.rmtree(left, ignore_errors=True)
            swept += not left.exists()
    return swept
