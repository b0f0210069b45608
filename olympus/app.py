"""Olympus on one page: what it can do, how it is reached, and what stands around every call."""

from __future__ import annotations

from antiphon import App, Http, Websocket
from antiphon.modules import accounts, channels, files, status
from olympus import messages, streaming
from olympus.board import board_page
from olympus.tables import schema

app = App(
    "olympus",
    version="0.1.0",
    modules=[accounts, channels, files, status, messages, streaming],
    transports=[Http(static=board_page), Websocket()],
    values=[schema],
)

main = app.main
