"""PLACEHOLDER until the real one is written."""
from antiphon.transports.http.server import Page, Server
class DocsPages:
    def __init__(self, server: Server) -> None: ...
    def pages(self) -> list[tuple[str, Page]]: return []
