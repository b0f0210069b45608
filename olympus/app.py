"""Olympus on one page: what it can do, how it is reached, and what stands around every call."""

from __future__ import annotations

from antiphon import App, Http, Websocket
from antiphon.modules import accounts, files, status
from olympus import messages, streaming
from olympus.tables import schema

app = App(
    "olympus",
    version="0.1.0",
    modules=[accounts, files, status, messages, streaming],
    transports=[Http(), Websocket()],
    values=[schema],
)

main = app.main
