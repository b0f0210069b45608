"""Files: people upload, download and delete what is theirs."""

from __future__ import annotations

from antiphon import Module

module = Module(__name__)
