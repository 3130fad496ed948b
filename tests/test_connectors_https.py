# SPDX-License-Identifier: Apache-2.0
"""Requests over real sockets: bounds, tokens, certificates, and a client that speaks to one address only."""

import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.connectors import https
from lamplighter.connectors.https import Door, HttpClient, HttpServer, Peer, token_of
from lamplighter.terms.exchange import Answered, Asked

TOKEN = "sixteen-letters-or-more"


def echo(asked: Asked) -> Answered:
    """Answer with what was asked."""
    return Answered(200, {"x-path": asked.path, "x-query": asked.query, "x-kind": asked.method}, asked.body)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    one = HttpServer(Door("127.0.0.1", 0, "/base/", TOKEN, body_max_bytes=1000, read_max_s=0.5), echo)
    yield one
    one.close()


def uri(server: HttpServer, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{server.port}/base/"


def test_what_is_asked_arrives_as_it_was_sent_and_so_does_the_answer(server: HttpServer) -> None:
    client = HttpClient(Peer(uri(server), TOKEN))
    answer = client.ask(Asked("POST", "/a%2Fb/c", "x=1&y=%20", {"content-type": "text/plain"}, b"\x00\xff"))
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"\x00\xff")
    assert (answer.headers["x-path"], answer.headers["x-query"], answer.headers["x-kind"]) == ("/a%2Fb/c", "x=1&y=%20", "POST")
    client.close()


def test_nobody_is_answered_without_the_token(server: HttpServer) -> None:
    for token in ("", "another-token-of-letters", TOKEN + "x", TOKEN[:-1]):
        client = HttpClient(Peer(uri(server), token))
        answer = client.ask(Asked("GET", "/", "", {}, b""))
        assert answer is not None
        assert answer.status == 401
        client.close()
    assert server.served == 0
    assert server.refused == 4


def test_a_request_that_is_too_large_is_refused_by_its_word_and_by_its_bytes(server: HttpServer) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert httpx.post(uri(server), content=b"x" * 1001, headers=headers).status_code == 413
    assert httpx.post(uri(server), content=iter([b"x" * 600, b"x" * 600]), headers=headers).status_code == 413
    assert httpx.post(uri(server), content=b"x" * 1000, headers=headers).status_code == 200
    assert httpx.post(uri(server) + "../other", headers=headers).status_code == 404
    assert server.served == 1


def test_a_request_that_does_not_come_is_not_waited_for(server: HttpServer) -> None:
    head = f"POST /base/ HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 10\r\n\r\nabc"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as slow:
        begin_s = time.monotonic()
        slow.sendall(head.encode())
        assert b"408" in slow.recv(200)
    assert time.monotonic() - begin_s < 3.0
    assert server.served == 0


def test_a_redirection_is_not_followed_and_a_dead_peer_is_told() -> None:
    away = HttpServer(Door("127.0.0.1", 0), lambda asked: Answered(307, {"location": "http://127.0.0.1:1/"}, b""))
    client = HttpClient(Peer(f"http://127.0.0.1:{away.port}/"))
    answer = client.ask(Asked("GET", "/", "", {}, b""))
    assert answer is not None
    assert answer.status == 307
    away.close()
    assert client.ask(Asked("GET", "/", "", {}, b"")) is None
    assert "does not answer" in client.fault
    client.close()


def test_what_fails_while_it_is_answered_is_told_without_its_content(caplog: pytest.LogCaptureFixture) -> None:
    def fails(asked: Asked) -> Answered:
        raise ValueError(f"secret {asked.body!r}")

    broken = HttpServer(Door("127.0.0.1", 0), fails)
    client = HttpClient(Peer(f"http://127.0.0.1:{broken.port}/"))
    for _ in range(2):
        answer = client.ask(Asked("POST", "/", "", {}, b"x"))
        assert answer is not None
        assert answer.status == 500
        assert b"secret" not in answer.body
    assert broken.failed == 2
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
    client.close()
    broken.close()


def test_an_answer_without_measure_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(https, "ANSWER_MAX_BYTES", 1000)
    big = HttpServer(Door("127.0.0.1", 0), lambda asked: Answered(200, {}, b"x" * 5000))
    client = HttpClient(Peer(f"http://127.0.0.1:{big.port}/"))
    assert client.ask(Asked("GET", "/", "", {}, b"")) is None
    assert "more than 1000 bytes" in client.fault
    client.close()
    big.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Door("0.0.0.0", 8443), "can be reached from elsewhere"),
        (lambda: Door("192.0.2.1", 8443, token=TOKEN), "tls_cert_file"),
        (lambda: Door("127.0.0.1", 70_000), "port 70000"),
        (lambda: Door("127.0.0.1", 0, tls_cert_file=Path("x")), "go together"),
        (lambda: Door("127.0.0.1", 0, client_ca_file=Path("x")), "needs tls_cert_file"),
        (lambda: Peer("http://gw.example/"), "https:// is needed"),
        (lambda: Peer("ftp://gw.example/"), "no base address"),
        (lambda: Peer("https://user@gw.example/"), "no base address"),
        (lambda: Peer("gw.example"), "no base address"),
    ],
)
def test_what_would_be_open_to_others_is_refused_before_it_listens(make, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_a_token_that_keeps_nobody_out_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("short\n")
    with pytest.raises(ValueError, match="16 ASCII characters"):
        token_of(file)
    file.write_text(TOKEN + "\n")
    assert token_of(file) == TOKEN
    assert token_of(None) == ""


def certificate(folder: Path, name: str, signer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None):
    """Write NAME.pem and NAME.key, signed by the signer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(signer is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    made = builder.sign(signer[1] if signer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.key").write_bytes(pem)
    return made, key


def test_with_certificates_both_ends_know_each_other(tmp_path: Path) -> None:
    authority, other = certificate(tmp_path, "authority", None), certificate(tmp_path, "other", None)
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)
    certificate(tmp_path, "stranger", other)
    pem = {name: tmp_path / f"{name}.pem" for name in ("authority", "other", "server", "client", "stranger")}
    key = {name: tmp_path / f"{name}.key" for name in pem}
    door = Door("127.0.0.1", 0, "/base/", "", pem["server"], key["server"], pem["authority"])
    server = HttpServer(door, echo)
    asked = Asked("GET", "/x", "", {}, b"")
    try:
        known = HttpClient(Peer(uri(server, "https"), "", pem["authority"], pem["client"], key["client"]))
        answer = known.ask(asked)
        assert answer is not None, known.fault
        assert answer.status == 200
        for peer in (
            Peer(uri(server, "https"), "", pem["authority"]),  # bears none
            Peer(uri(server, "https"), "", pem["authority"], pem["stranger"], key["stranger"]),  # signed by another
            Peer(uri(server, "https"), "", pem["other"], pem["client"], key["client"]),  # does not trust the server
        ):
            client = HttpClient(peer)
            assert client.ask(asked) is None
            client.close()
        known.close()
        assert server.served == 1
    finally:
        server.close()


def test_the_oldest_tls_is_not_spoken(tmp_path: Path) -> None:
    certificate(tmp_path, "server", None)
    server = HttpServer(Door("127.0.0.1", 0, "/", "", tmp_path / "server.pem", tmp_path / "server.key"), echo)
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw, pytest.raises((ssl.SSLError, OSError)):
            old.wrap_socket(raw).close()
    finally:
        server.close()
