"""etcd servers that require certificates: accepted, rejected, recovered (S3)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.etcd.access import demand_passwords, opened
from tests.contract.etcd.under_test import EtcdUnderTest
from tests.contract.sessions import NO_KEY_USAGE, PASSWORD, refused, serves
from tests.servers.certificates import Authority
from tests.servers.etcd import Certificates, Etcd
from vipagent.testing.contract import BackendContract
from vipagent.testing.peers import Peer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def certificates(authority: Authority, name: str, attribute: str = "CN") -> Certificates:
    own = authority.issue(name, attribute=attribute)
    return Certificates(own.cert, own.key, authority.cert, require_client_cert=True)


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("tls"), certificates=certificates(authority, "server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    """A server for one test."""
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own(authority: Authority) -> dict[str, object]:
    """JSON serializable options of an agent with a certificate."""
    issued = authority.issue("agent", "DNS:agent")
    return {"tls": True, "ca": str(authority.cert), "certfile": str(issued.cert), "keyfile": str(issued.key)}


class TestEtcdWithTls(BackendContract):
    """A server that requires client certificates."""

    @pytest.fixture
    def store(self, tls_server: Etcd, own: dict[str, object]) -> EtcdUnderTest:
        return EtcdUnderTest(tls_server, own)


class TestCertificates:
    """TLS, with certificates on both sides."""

    def test_with_passwords_a_certificate_must_not_have_a_common_name(
        self, authority: Authority, login: dict[str, object], sessions: list[Peer], tmp_path: Path
    ) -> None:
        """The gateway rejects others; the message names the remedy."""
        server = Etcd(tmp_path / "both", certificates=certificates(authority, "nameless", "O"))
        server.start()
        try:
            demand_passwords(server)
            named, nameless = authority.issue("named"), authority.issue("agents", attribute="O")
            both = {**login, "tls": True, "ca": str(authority.cert)}
            session = opened(sessions, server.address, {**both, "certfile": str(named.both)})
            refused(session, server.address, "certificate must not have a CommonName")
            serves(opened(sessions, server.address, {**both, "certfile": str(nameless.both)}))
        finally:
            server.stop()

    def test_a_client_without_a_certificate_is_rejected(
        self, tls_server: Etcd, own: dict[str, object], sessions: list[Peer]
    ) -> None:
        options = {name: own[name] for name in ("tls", "ca")}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "require a client certificate")

    def test_a_client_without_tls_is_rejected(self, tls_server: Etcd, sessions: list[Peer]) -> None:
        refused(opened(sessions, tls_server.address, {}), tls_server.address, "does the server require TLS?")

    def test_a_server_without_tls_is_rejected(
        self, server: Etcd, own: dict[str, object], sessions: list[Peer]
    ) -> None:
        refused(opened(sessions, server.address, own), server.address, "does it support TLS")

    def test_a_certificate_of_another_authority_is_rejected(
        self, tls_server: Etcd, own: dict[str, object], sessions: list[Peer], tmp_path: Path
    ) -> None:
        """It is accepted without verification."""
        options = {**own, "ca": str(Authority(tmp_path / "others").cert)}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "certificate verification failed")
        serves(opened(sessions, tls_server.address, {**options, "verify": False}))

    def test_a_private_authority_is_accepted_unless_strict(
        self, sessions: list[Peer], tmp_path: Path
    ) -> None:
        """An authority without a key usage; the error of strict verification has the remedy."""
        plain = Authority(tmp_path / "plain", plain=True)
        server = Etcd(tmp_path / "etcd", certificates=certificates(plain, "server"))
        trust = {"tls": True, "ca": str(plain.cert), "certfile": str(plain.issue("agent").both)}
        server.start()
        try:
            session = opened(sessions, server.address, {**trust, "verify": "strict"})
            refused(session, server.address, NO_KEY_USAGE)
            serves(opened(sessions, server.address, trust))
        finally:
            server.stop()

    def test_strict_verification_of_a_complete_authority(
        self, tls_server: Etcd, own: dict[str, object], sessions: list[Peer]
    ) -> None:
        serves(opened(sessions, tls_server.address, {**own, "verify": "strict"}))

    def test_authorities_in_the_environment_are_ignored(
        self,
        tls_server: Etcd,
        own: dict[str, object],
        sessions: list[Peer],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        others = Authority(tmp_path / "others").cert
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(others))
        serves(opened(sessions, tls_server.address, own))
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(own["ca"]))
        session = opened(sessions, tls_server.address, {**own, "ca": str(others)})
        refused(session, tls_server.address, "certificate verification failed")

    @pytest.mark.parametrize(
        "bad",
        [
            ("IP:127.0.0.1", -1, "certificate has expired"),
            ("DNS:somebody.else", 2, "certificate is not valid for '127.0.0.1'"),
        ],
    )
    def test_a_server_with_a_bad_certificate_is_rejected_until_it_has_a_good_one(
        self,
        authority: Authority,
        own: dict[str, object],
        sessions: list[Peer],
        tmp_path: Path,
        bad: tuple[str, int, str],
    ) -> None:
        subjects, days, cause = bad
        expired, good = authority.issue("bad", subjects, days), authority.issue("good")
        shown = Certificates(tmp_path / "shown.crt", tmp_path / "shown.key", authority.cert)
        server = Etcd(tmp_path / "etcd", certificates=shown)

        def show(certificate: Path, key: Path) -> None:
            shown.cert.write_bytes(certificate.read_bytes())
            shown.key.write_bytes(key.read_bytes())

        show(good.cert, good.key)
        server.start()
        try:
            show(expired.cert, expired.key)  # etcd reads its files at each handshake
            session = opened(sessions, server.address, own)
            refused(session, server.address, cause)
            show(good.cert, good.key)
            serves(session)
        finally:
            server.stop()

    def test_an_encrypted_key_needs_its_password(
        self, authority: Authority, tls_server: Etcd, sessions: list[Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is never prompted for at a terminal."""
        issued = authority.issue("encrypted", "DNS:agent", password=PASSWORD)
        options = {"tls": True, "ca": str(authority.cert), "certfile": str(issued.both)}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "key_password_file or key_password_env is needed")
        monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
        serves(opened(sessions, tls_server.address, {**options, "key_password_env": "KEY_PASSWORD"}))
