"""What tokens, keys and devices may be, how long each of them lives, and the root secret."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, doc
from antiphon.services.identity.issuer import ForeignIssuer, issuer_faults

LONGEST_ACCESS = timedelta(minutes=10)
SHORTEST_SECRET_BYTES = 32
_LONGEST_KEY = timedelta(days=365)
_KNOWN = ("changeme", "change-me", "secret", "example", "default", "password", "test")


class IdentitySettings(Settings, frozen=True):
    """Access tokens (RFC 9068), refresh tokens, API keys, and the secret that everything sealed here hangs on."""

    section: ClassVar[str] = "identity"

    secret: Annotated[
        Secret[str],
        doc("The root secret, at least 32 bytes; empty outside production makes one in the folder for data."),
    ] = Secret("")
    secret_before: Annotated[
        Secret[str], doc("The root secret before this one, accepted for as long as it stands here.")
    ] = Secret("")
    issuer: Annotated[
        str,
        Meta(max_length=256),
        doc("Who issues access tokens (`iss`), such as https://api.example.com; or the name."),
    ] = ""
    audience: Annotated[
        tuple[str, ...], doc("For whom access tokens are (`aud`), the first in those made here; empty is the issuer.")
    ] = ()
    algorithm: Annotated[Literal["Ed25519", "ES256"], doc("What new signing keys sign with.")] = "Ed25519"
    access_time: Annotated[timedelta, doc("How long an access token lives, 10 minutes at most.")] = LONGEST_ACCESS
    refresh_time: Annotated[timedelta, doc("How long a refresh token waits to be used.")] = timedelta(days=14)
    family_time: Annotated[timedelta, doc("How long refreshing goes on after one sign-in.")] = timedelta(days=30)
    race_time: Annotated[
        timedelta, doc("How long a refresh token that was used gives the same successor to the same device.")
    ] = timedelta(seconds=10)
    key_time: Annotated[timedelta, doc("How long an API key lives at most.")] = _LONGEST_KEY
    keys_per_user: Annotated[int, Meta(ge=1, le=1_000), doc("The API keys of one user at once.")] = 20
    keys_per_tenant: Annotated[int, Meta(ge=1, le=100_000), doc("The API keys of one tenant at once.")] = 100
    reset_time: Annotated[timedelta, doc("How long a token for a new password waits to be used.")] = timedelta(
        minutes=30
    )
    remembered: Annotated[
        int,
        Meta(ge=0, le=1_000_000),
        doc("The tokens and keys whose check is remembered; who has ended is still asked."),
    ] = 10_000
    issuers: Annotated[
        dict[str, ForeignIssuer],
        doc("Others whose tokens are taken: issuer, audience, algorithms, jwks_url, and their tenants and roles here."),
    ] = msgspec.field(default_factory=dict[str, ForeignIssuer])

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Weak secrets are refused everywhere, a missing one in production; lives only ever get shorter."""
        for name in ("secret", "secret_before"):
            held = getattr(self, name).reveal()
            if held and (weakness := _weakness(held)):
                yield Fault(name, weakness)
        if environment == "production" and not self.secret.reveal():
            yield Fault("secret", "must be set in production, such as from `openssl rand -base64 48`")
        if not timedelta(0) < self.access_time <= LONGEST_ACCESS:
            yield Fault("access_time", "must be longer than 0s and 10m at most")
        if not timedelta(0) < self.refresh_time <= self.family_time:
            yield Fault("refresh_time", "must be longer than 0s and identity.family_time at most")
        if not timedelta(0) <= self.race_time <= timedelta(minutes=1):
            yield Fault("race_time", "must be 0s to 1m")
        if not timedelta(0) < self.key_time <= _LONGEST_KEY:
            yield Fault("key_time", "must be longer than 0s and 365d at most")
        if not timedelta(0) < self.reset_time <= timedelta(days=1):
            yield Fault("reset_time", "must be longer than 0s and 1d at most")
        for fault in issuer_faults(self.issuers, self.issuer, production=environment == "production"):
            yield Fault("issuers", fault)


def _weakness(secret: str) -> str:
    if len(secret.encode("utf-8", "surrogatepass")) < SHORTEST_SECRET_BYTES:
        return "is too short; write at least 32 random bytes"
    lowered = secret.lower()
    if len(set(secret)) < 8 or any(lowered.replace(word, "").strip("-_. 0123456789") == "" for word in _KNOWN):
        return "looks like an example; write at least 32 random bytes"
    return ""
