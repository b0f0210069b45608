"""Files: people upload, download and delete what is theirs."""

from __future__ import annotations

from antiphon import Audit, Module, Tasks
from antiphon.modules.files.files import File, Files
from antiphon.modules.files.tables import files as files_table
from antiphon.modules.files.tables import metadata

__all__ = ["File", "Files", "files_table", "metadata", "module"]

module = Module(__name__, needs=[Audit, Tasks])
