from __future__ import annotations

import socket
import ssl

import pytest
import trustme

from .tls_server import Server

CLIENT_VARIABLES = (
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSLKEYLOGFILE",
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())),
)


@pytest.fixture(scope="session")
def ca():
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(ca, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return path


def server_context(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def server(ca):
    running = Server(server_context(ca))
    yield running
    running.close()


@pytest.fixture
def tls12_server(ca):
    context = server_context(ca)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    running = Server(context)
    yield running
    running.close()


@pytest.fixture
def plain_server():
    running = Server()
    yield running
    running.close()


@pytest.fixture
def refused_port():
    """A port on which nobody listens, kept from others by being bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture(autouse=True)
def trusted(monkeypatch, ca_file):
    """Every client here trusts our CA the way a company's is trusted: by the environment."""
    for name in CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))


@pytest.fixture
def keylog(monkeypatch, tmp_path):
    path = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    return path
