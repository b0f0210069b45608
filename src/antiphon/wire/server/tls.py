"""Makes the TLS context of a server from its files: TLS 1.2 or newer, HTTP/1.1 in ALPN."""

from __future__ import annotations

import ssl
from pathlib import Path

from antiphon.core.errors import SetupError

CERTIFICATE, KEY = "http.tls_certificate", "http.tls_key"

_REASONS = {
    "KEY_VALUES_MISMATCH": f"{KEY} is not the key of {CERTIFICATE}. Give the two that belong together.",
    "KEY_TYPE_MISMATCH": f"{KEY} is not the key of {CERTIFICATE}. Give the two that belong together.",
    "EE_KEY_TOO_SMALL": f"{CERTIFICATE} has a key that is too short to be safe. Make a longer one.",
    "CA_MD_TOO_WEAK": f"{CERTIFICATE} is signed in a way that is no longer safe. Make a new one.",
}


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """The context for a certificate with its chain and its key, both as PEM; without `key` both are in one file.

    Raises SetupError that names the setting at fault. The key must not have a passphrase: nobody is there to type it.
    """
    _check(CERTIFICATE, certificate, b"-----BEGIN CERTIFICATE-----")
    _check(KEY if key is not None else CERTIFICATE, key or certificate, b"PRIVATE KEY-----")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except ssl.SSLError as error:
        otherwise = (
            f"{CERTIFICATE} and {KEY} cannot be used ({error.reason or 'not PEM'}). Give a certificate and its key."
        )
        raise SetupError(_REASONS.get(error.reason or "", otherwise)) from None
    return context


def _check(setting: str, path: Path, marker: bytes) -> None:
    """Read the file once before ssl does, which says neither which file nor which part is missing."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{setting}: {path} cannot be read: {error.strerror}.") from None
    if marker not in content:
        what = "certificate" if b"CERTIFICATE" in marker else "private key"
        raise SetupError(f"{setting}: there is no {what} as PEM in {path}.")


def _no_passphrase() -> str:
    raise SetupError(f"{KEY}: the key has a passphrase. Give a key without one, readable by this user alone.")
