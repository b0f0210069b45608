"""A foreign issuer as the tests of its tokens use it: a small HTTP server with a key set, and tokens that it signs."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from antiphon.core.clock import Clock, RandomIds
from antiphon.core.log import Silent
from antiphon.services.identity import ForeignIssuer, ForeignIssuers, IdentitySettings, TokenEnds, Tokens
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock
from tests.services.token_stage import part

FOREIGN = "https://id.partner.example/"
FOR_US = "https://api.choir.example"

type Key = OKPKey | ECKey | RSAKey


def plain(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    """An answer with this body."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more])
    return head.encode() + b"\r\n\r\n" + body


def signed(claims: dict[str, Any], key: Key, *, alg: str = "Ed25519", kid: str = "one", typ: str = "at+jwt") -> str:
    """A token with these claims, whatever they are."""
    head = part(json.dumps({"alg": alg, "kid": kid, "typ": typ}).encode())
    text = f"{head}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(jws.JWSRegistry.algorithms[alg].sign(text.encode(), key))}"


class IssuerServer:
    """Answers every request with `answer`, once `gate` is open; `None` never answers."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.answer: bytes | None = plain(b"{}")
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked: list[str] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where the key set is."""
        assert self._server is not None
        scheme, host = ("http", "127.0.0.1") if self._tls is None else ("https", "localhost")
        return f"{scheme}://{host}:{self._server.sockets[0].getsockname()[1]}/keys?v=1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.gate.set()
        self._server.close()
        for writer in self._open:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await self.gate.wait()
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
                writer.close()
        except OSError:
            # The other side has cut the connection, as it should where an answer is too large.
            writer.close()

    def publish(self, *keys: tuple[str, Key], **members: object) -> None:
        """Show these keys, with these members beside the public ones."""
        shown = [{**key.as_dict(private=False), "kid": kid, **members} for kid, key in keys]
        self.answer = plain(json.dumps({"keys": shown}).encode())


class Partner:
    """A node that takes the tokens of a foreign issuer, beside its own."""

    def __init__(self, server: IssuerServer, tokens: Tokens, ends: TokenEnds, clock: StandingClock) -> None:
        self.server = server
        self.tokens = tokens
        self.ends = ends
        self.clock = clock
        self.key: Key = OKPKey.generate_key("Ed25519")
        server.publish(("one", self.key))

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, with changes; `...` leaves one out."""
        now = int(self.clock.now().timestamp())
        good: dict[str, Any] = {
            "iss": FOREIGN, "aud": FOR_US, "sub": "auth|7", "iat": now, "exp": now + 600, "jti": "one",
            "client_id": "shop", "org": "acme", "roles": ["boss", "cook"],
        }  # fmt: skip
        return {name: value for name, value in {**good, **changes}.items() if value is not ...}

    def token(
        self, *, alg: str = "Ed25519", kid: str = "one", key: Key | None = None, typ: str = "at+jwt", **changes: Any
    ) -> str:
        """A token that the issuer's key signs."""
        return signed(self.claims(**changes), key or self.key, alg=alg, kid=kid, typ=typ)

    async def who(self, text: str) -> str:
        """Whom a token stands for, or an empty text."""
        found = await self.tokens.recognise(text)
        return found.verified.caller.id if found is not None else ""


@asynccontextmanager
async def partner(
    store: Store, *, clock: Clock | None = None, algorithms: tuple[str, ...] = ("Ed25519",), **more: Any
) -> AsyncGenerator[Partner]:
    """A node on this store, with one foreign issuer."""
    standing = StandingClock()
    async with IssuerServer() as server:
        said = ForeignIssuer(
            issuer=FOREIGN,
            audience=(FOR_US,),
            algorithms=algorithms,  # pyright: ignore[reportArgumentType]  # those of the settings
            jwks_url=server.url,
            **more,
        )
        settings = IdentitySettings(issuer="https://choir.example", issuers={"partner": said})
        foreign = ForeignIssuers(settings, clock or standing, Silent())
        ends = TokenEnds(store, standing)
        tokens = Tokens(
            settings, "choir", keyring=None, keys=None, ends=ends, clock=standing, ids=RandomIds(), foreign=foreign
        )
        try:
            yield Partner(server, tokens, ends, standing)
        finally:
            await foreign.close()
