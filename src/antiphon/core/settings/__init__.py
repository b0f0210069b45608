"""Settings: sections declared as Structs, read from environment, files and defaults, with every fault told at once."""

from __future__ import annotations

from antiphon.core.settings.declare import Setting, Settings, declared, doc, env
from antiphon.core.settings.documentation import SettingDoc, describe, to_markdown
from antiphon.core.settings.files import settings_files
from antiphon.core.settings.layers import Source
from antiphon.core.settings.load import Loaded, environment_of, load, survey
from antiphon.core.settings.sizes import format_size, parse_size

__all__ = [
    "Loaded",
    "Setting",
    "SettingDoc",
    "Settings",
    "Source",
    "declared",
    "describe",
    "doc",
    "env",
    "environment_of",
    "format_size",
    "load",
    "parse_size",
    "settings_files",
    "survey",
    "to_markdown",
]
