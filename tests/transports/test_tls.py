"""HTTP over TLS: a handshake with the certificate of the settings, and certificates that cannot be used."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from antiphon.core.errors import SetupError
from antiphon.testing.raw import RawHttp
from antiphon.wire.server.tls import server_context
from tests.transports.serving import HOST, Served, serving

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")


def openssl(*words: str) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for localhost, its key, and somebody else's key."""
    folder = tmp_path_factory.mktemp("tls")
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost"),
    )
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / "other.pem"))
    openssl("ec", "-in", str(folder / "key.pem"), "-aes128", "-passout", "pass:x", "-out", str(folder / "locked.pem"))
    both = (folder / "cert.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "both.pem").write_text(both)
    return folder


def trusting(made: Path) -> ssl.SSLContext:
    """What a client that trusts this certificate uses."""
    context = ssl.create_default_context(cafile=str(made / "cert.pem"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def open_tls(served: Served, context: ssl.SSLContext) -> tuple[RawHttp, ssl.SSLObject]:
    """A connection over TLS."""
    reader, writer = await asyncio.open_connection(HOST, served.port, ssl=context, server_hostname="localhost")
    return RawHttp(reader, writer), writer.get_extra_info("ssl_object")


async def test_calls_are_answered_over_tls(made: Path, tmp_path: Path) -> None:
    """With HTTP/1.1 chosen, and with the header that keeps browsers on https."""
    files = {"tls_certificate": str(made / "cert.pem"), "tls_key": str(made / "key.pem")}
    async with serving(tmp_path, files) as served:
        connection, tls = await open_tls(served, trusting(made))
        answer = await connection.get("/healthz")
        again = await connection.get("/healthz")
        await connection.close()

        assert (answer.status, again.status) == (200, 200)
        assert json.loads(answer.body) == {"alive": True}
        assert tls.selected_alpn_protocol() == "http/1.1"
        assert (answer.header("strict-transport-security") or "").startswith("max-age=")
        assert f"address   https://localhost:{served.port}" in served.http.greeting()


def test_nobody_speaks_older_than_tls_1_2(made: Path) -> None:
    """Whatever the machine's own configuration would allow."""
    assert server_context(made / "both.pem", None).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_client_that_speaks_no_tls_disturbs_nobody(made: Path, tmp_path: Path) -> None:
    """Its connection ends, the next one is served."""
    async with serving(tmp_path, {"tls_certificate": str(made / "both.pem")}) as served:
        async with served.connect() as plain:
            await plain.send(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            try:
                assert b"HTTP/1.1 200" not in await plain.rest()
            except ConnectionResetError:
                pass
        connection, _ = await open_tls(served, trusting(made))
        assert (await connection.get("/healthz")).status == 200
        await connection.close()


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        ("nowhere.pem", "key.pem", r"http\.tls_certificate: .*nowhere\.pem cannot be read: No such file"),
        ("cert.pem", "nowhere.pem", r"http\.tls_key: .*nowhere\.pem cannot be read"),
        ("key.pem", "key.pem", r"http\.tls_certificate: there is no certificate"),
        ("cert.pem", "cert.pem", r"http\.tls_key: there is no private key"),
        ("cert.pem", None, r"http\.tls_certificate: there is no private key"),
        ("cert.pem", "other.pem", r"http\.tls_key is not the key of http\.tls_certificate"),
        ("cert.pem", "locked.pem", r"http\.tls_key: the key has a passphrase"),
    ],
)
def test_what_cannot_be_used_is_told_by_its_setting(made: Path, certificate: str, key: str | None, told: str) -> None:
    """A start that fails says which file to mend."""
    with pytest.raises(SetupError, match=told):
        server_context(made / certificate, made / key if key is not None else None)


def test_a_broken_certificate_is_told(made: Path, tmp_path: Path) -> None:
    """Also when it looks like one."""
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

    with pytest.raises(SetupError, match=r"http\.tls_certificate and http\.tls_key cannot be used"):
        server_context(tmp_path / "broken.pem", made / "key.pem")


async def test_a_key_without_a_certificate_stops_the_start(made: Path, tmp_path: Path) -> None:
    """It would serve without TLS, which nobody can have meant."""
    with pytest.raises(SetupError, match=r"http\.tls_key.*without tls_certificate"):
        async with serving(tmp_path, {"tls_key": str(made / "key.pem")}):
            pass
