"""Who is measured: one row a server, in the order of the tables."""

from __future__ import annotations

from dataclasses import dataclass

CEILING = "bare uvicorn"
MEASURE = "FastAPI"
OURS = "Antiphon"


@dataclass(frozen=True)
class Peer:
    """One server: `module` is a file of `bench/http/servers`; the versions of `packages` tell what was measured."""

    name: str
    module: str
    packages: tuple[str, ...]
    runs_on: str = "uvicorn"


PEERS: tuple[Peer, ...] = (
    Peer(CEILING, "bare", ("uvicorn",)),
    Peer(OURS, "antiphon_server", ("antiphon",)),
    Peer("BlackSheep", "blacksheep_server", ("blacksheep",)),
    Peer("Sanic", "sanic_server", ("sanic",), runs_on="its own server"),
    Peer("Starlette", "starlette_server", ("starlette",)),
    Peer("Litestar", "litestar_server", ("litestar",)),
    Peer(MEASURE, "fastapi_server", ("fastapi",)),
)


def chosen(names: str) -> list[Peer]:
    """The peers whose names begin with one of these, comma-separated; all of them for an empty text."""
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    found = [peer for peer in PEERS if not wanted or any(peer.name.lower().startswith(name) for name in wanted)]
    unknown = [name for name in wanted if not any(peer.name.lower().startswith(name) for peer in PEERS)]
    if unknown:
        known = ", ".join(peer.name for peer in PEERS)
        raise ValueError(f"--only names {', '.join(unknown)}, which is no server here. There are: {known}.")
    return found
