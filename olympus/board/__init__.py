"""The board at `/board`: one page that shows the public messages live, made of plain files that any browser reads."""

from __future__ import annotations

from pathlib import Path

from antiphon import client_script, static

board_page = (static("/board", Path(__file__).parent / "page"), client_script("/antiphon.js"))
"""The page, and the client that it imports: `Http(static=board_page)`."""
