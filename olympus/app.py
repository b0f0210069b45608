"""Olympus on one page: what it can do, how it is reached, and what stands around every call."""

from __future__ import annotations

from antiphon import App, Http, Websocket, Worker
from antiphon.modules import accounts, audit, channels, files, jobs, status
from olympus import messages, streaming
from olympus.board import board_page
from olympus.roles import roles
from olympus.tables import schema

app = App(
    "olympus",
    version="0.1.0",
    modules=[accounts, audit, channels, files, jobs, status, messages, streaming],
    transports=[Http(static=board_page), Websocket(), Worker()],
    values=[schema, roles],
)

main = app.main
