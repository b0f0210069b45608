"""The root secret: what seals and signs for the application itself. No token of a user is made from it."""

#   identity.secret        environment          the root secret
#   set                    any                  what is set; identity.secret_before opens what was sealed before
#   empty                  production           none: the settings stop the start
#   empty                  development, test    a file in the folder for data, made by whoever comes first

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.secrets import Secret
from antiphon.core.service import service
from antiphon.services.identity.sealing import BadSeal, Seal, derive
from antiphon.services.identity.settings import SHORTEST_SECRET_BYTES, IdentitySettings

FILE = "identity.secret"


class RootSecret:
    """Seals texts under the application's secret, and opens those that its predecessor sealed."""

    def __init__(self, secret: Secret[str], before: Secret[str] | None = None) -> None:
        self._secrets = [each for each in (secret, before) if each is not None and each.reveal()]

    def key(self, purpose: str) -> Secret[bytes]:
        """A key of 256 bits for one purpose, such as signing cursors."""
        return self.keys(purpose)[0]

    def keys(self, purpose: str) -> list[Secret[bytes]]:
        """Every key that is accepted for a purpose: the one that is used, then that of the secret before."""
        return [Secret(derive(each.reveal().encode("utf-8", "surrogatepass"), purpose)) for each in self._secrets]

    def seal(self, text: str, purpose: str) -> str:
        """The text, sealed for this purpose."""
        return Seal(self.key(purpose).reveal()).close(text)

    def unseal(self, sealed: str, purpose: str) -> Secret[str]:
        """What was sealed for this purpose. Raises BadSeal when no secret that is known opens it."""
        for key in self.keys(purpose):
            with suppress(BadSeal):
                return Secret(Seal(key.reveal()).open(sealed))
        raise BadSeal("no root secret that is set opens it")


def kept_secret(folder: Path) -> Secret[str]:
    """The secret in the folder for data, made at first use and readable by its owner only. Raises SetupError."""
    path = folder / FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        text = path.read_text("ascii").strip()
    except (OSError, ValueError) as error:
        raise SetupError(f"{path}: the root secret cannot be read ({type(error).__name__}).") from None
    if os.name == "posix" and mode & 0o077:
        raise SetupError(f"{path}: others can read the root secret. Write: chmod 600 {path}")
    if len(text) < SHORTEST_SECRET_BYTES:
        raise SetupError(f"{path}: holds no secret. Delete the file; a new one is made, and what it sealed is lost.")
    return Secret(text)


def _make(path: Path) -> None:
    # Written whole under another name and then linked: of two processes that start at once one wins, and nobody reads
    # a file that is not complete.
    draft = path.with_name(f"{FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


@service
async def root_secret(settings: IdentitySettings, info: AppInfo) -> AsyncIterator[RootSecret]:
    """The root secret, from the settings or, outside production, from a file of its own."""
    given = settings.secret
    yield RootSecret(given if given.reveal() else kept_secret(info.folder), settings.secret_before)
