"""Who calls: bearer tokens that the application signs, API keys, and what makes them hold no longer."""

from __future__ import annotations

from antiphon.services.identity.api_keys import new_api_key, secret_digest
from antiphon.services.identity.cursors import Cursors, cursors
from antiphon.services.identity.ended import TokenEnds
from antiphon.services.identity.foreign import ForeignIssuers, foreign_user_id
from antiphon.services.identity.form import BadToken
from antiphon.services.identity.identifier import CallerIdentifier, Sightings
from antiphon.services.identity.issuer import ForeignIssuer
from antiphon.services.identity.keyring import Keyring
from antiphon.services.identity.root import RootSecret, root_secret
from antiphon.services.identity.rotation import Rotation
from antiphon.services.identity.sealing import BadSeal, Seal
from antiphon.services.identity.service import foreign_issuers, identifier, keyring, token_ends
from antiphon.services.identity.settings import IdentitySettings
from antiphon.services.identity.signing import SigningKey, SigningKeySource
from antiphon.services.identity.tokens import AccessToken, ApiKeySource, FoundKey, Tokens

__all__ = [
    "AccessToken",
    "ApiKeySource",
    "BadSeal",
    "BadToken",
    "CallerIdentifier",
    "Cursors",
    "ForeignIssuer",
    "ForeignIssuers",
    "FoundKey",
    "IdentitySettings",
    "Keyring",
    "RootSecret",
    "Rotation",
    "Seal",
    "Sightings",
    "SigningKey",
    "SigningKeySource",
    "TokenEnds",
    "Tokens",
    "cursors",
    "foreign_issuers",
    "foreign_user_id",
    "identifier",
    "keyring",
    "new_api_key",
    "root_secret",
    "secret_digest",
    "token_ends",
]
