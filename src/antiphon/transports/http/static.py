"""PLACEHOLDER until the real one is written."""
from pathlib import Path
from antiphon.transports.http.server import Fallback, Server
class Static:
    def serve(self, server: Server) -> Fallback: raise NotImplementedError
def static(path: str, folder: Path | str) -> Static: return Static()
