"""The server that answers has to be the one that was asked for: an impostor gets no token."""

import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import create_server, socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shop_database import AddressWithIam, DatabaseSettings, NoConnectionError, connect
from shop_database.iam import Credentials

ASK_FOR_PASSWORD = b"R" + (8).to_bytes(4) + (3).to_bytes(4)
"""https://www.postgresql.org/docs/16/protocol-message-formats.html"""


def certificate(folder: Path, address: str) -> Path:
    """Makes a certificate that is its own authority, with its key in the same file."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{address}.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


def password_given(listening: socket, server_certificate: Path) -> bytes:
    """Answers one client as PostgreSQL does until it has sent its password; a client that leaves has given none."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server_certificate)
    client, _ = listening.accept()
    with client:
        client.recv(8)  # the request for TLS
        client.sendall(b"S")
        try:
            with tls.wrap_socket(client, server_side=True) as encrypted:
                encrypted.recv(4096)  # the user's and the database's name
                encrypted.sendall(ASK_FOR_PASSWORD)
                return encrypted.recv(4096)
        except OSError:
            return b""


@pytest.mark.parametrize(
    ("server", "authority", "reason"),
    [
        ("127.0.0.1", "127.0.0.1", None),
        ("127.0.0.1", "127.0.0.3", "certificate verify failed"),
        ("127.0.0.2", "127.0.0.2", "does not match host name"),
    ],
)
def test_only_the_server_that_was_asked_for_gets_the_token(
    tmp_path: Path, server: str, authority: str, reason: str | None
) -> None:
    files = {address: certificate(tmp_path, address) for address in {server, authority}}
    with create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        listening.settimeout(60)  # or a client that never comes would hold up the end
        given = pool.submit(password_given, listening, files[server])
        address = AddressWithIam(
            host="127.0.0.1",
            port=listening.getsockname()[1],
            name="shop",
            user="shop_query",
            region="us-east-1",
            credentials=lambda: Credentials("AKIDEXAMPLE", "secret"),
            root_certificate=str(files[authority]),
        )
        with pytest.raises(NoConnectionError, match=reason):
            connect(DatabaseSettings(address), "test")
        assert (b"Action=connect&DBUser=shop_query" in given.result()) == (reason is None)
