"""ZooKeeper with required login, SASL or certificates: accepted, rejected and repaired (S3)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from tests.contract.sessions import NO_KEY_USAGE, PASSWORD, begun, detail, refused, serves
from tests.contract.zookeeper.under_test import LIFE, ZooKeeperUnderTest
from tests.servers.certificates import Authority
from tests.servers.zookeeper import TlsZooKeeper, ZooKeeper, digest_only, sasl_only
from vipagent.store import reconciler
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Key
from vipagent.testing.contract import BackendContract
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import WAIT_TIMEOUT
from vipagent.types import Claim
from vipagent_zookeeper import ZooKeeperDriver


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def digest_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    server = ZooKeeper(tmp_path_factory.mktemp("digest"), java=digest_only())
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sasl_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeper]:
    directory = tmp_path_factory.mktemp("sasl")
    server = ZooKeeper(directory, java=sasl_only(directory, "agent", PASSWORD))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[TlsZooKeeper]:
    server = TlsZooKeeper(tmp_path_factory.mktemp("tls"), authority.cert, authority.issue("server").both)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def certificates(authority: Authority) -> dict[str, object]:
    """JSON serializable options of a client that the server accepts."""
    own = authority.issue("agent", "DNS:agent")
    return {"tls": True, "ca": str(authority.cert), "certfile": str(own.cert), "keyfile": str(own.key)}


class TestZooKeeperWithDigest(BackendContract):
    """A server that requires user and password; created znodes are readable for others."""

    @pytest.fixture
    def store(self, digest_server: ZooKeeper, password: Path) -> Iterator[ZooKeeperUnderTest]:
        options = {"auth": "digest", "user": "agent", "password_file": str(password)}
        store = ZooKeeperUnderTest(digest_server, options, auth_data=[("digest", f"agent:{PASSWORD}")])
        yield store
        store.close()


class TestZooKeeperWithSasl(BackendContract):
    """A server that requires SASL."""

    @pytest.fixture
    def store(self, sasl_server: ZooKeeper, password: Path) -> Iterator[ZooKeeperUnderTest]:
        options = {"auth": "sasl", "user": "agent", "password_file": str(password)}
        identity = {"mechanism": "DIGEST-MD5", "username": "agent", "password": PASSWORD}
        store = ZooKeeperUnderTest(sasl_server, options, sasl_options=identity)
        yield store
        store.close()


@pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLS is deprecated")  # by kazoo 2.9 for the foreign client
class TestZooKeeperWithTls(BackendContract):
    """A server that requires client certificates, whose subjects own the created znodes."""

    @pytest.fixture
    def store(
        self, tls_server: TlsZooKeeper, certificates: dict[str, object]
    ) -> Iterator[ZooKeeperUnderTest]:
        foreign = {name: certificates[name] for name in ("ca", "certfile", "keyfile")}
        options = {**certificates, "acl": "creator"}
        store = ZooKeeperUnderTest(tls_server, options, use_ssl=True, verify_certs=False, **foreign)
        yield store
        store.close()


def opened(sessions: list[Peer], host: str, options: Mapping[str, object]) -> Peer:
    """Return a connecting session that registers a member and watches it."""
    seen = Recorder()
    settings = StoreSettings("node1", "run1", (host,), "/secured", LIFE, options)
    session = Peer(StoreClient(ZooKeeperDriver, settings, seen), seen)
    sessions.append(session)
    return begun(session)


def test_znodes_of_an_agent_are_protected(
    digest_server: ZooKeeper, password: Path, sessions: list[Peer]
) -> None:
    """Others can read them (by default), but cannot delete them."""
    options = {"auth": "digest", "user": "agent", "password_file": str(password)}
    serves(opened(sessions, digest_server.address, options))
    other = KazooClient(digest_server.address, auth_data=[("digest", "other:password")])
    other.start()
    try:
        path = member(1).path("/secured")
        assert other.exists(path)
        assert other.get(path)
        with pytest.raises(NoAuthError):
            other.set(path, b"")
        with pytest.raises(NoAuthError):
            other.delete(path)
    finally:
        other.stop()
        other.close()


def test_with_world_read_off_others_cannot_read(
    digest_server: ZooKeeper, password: Path, sessions: list[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent without the password receives no listing, instead of an empty one."""
    monkeypatch.setenv("OTHERS_PASSWORD", "something else")
    own = {"auth": "digest", "user": "agent", "password_file": str(password), "world_read": False}
    settings = StoreSettings("node1", "run1", (digest_server.address,), "/hidden", LIFE, own)
    seen, others_seen = Recorder(), Recorder()
    session = Peer(StoreClient(ZooKeeperDriver, settings, seen), seen)
    others = {"auth": "digest", "user": "agent", "password_env": "OTHERS_PASSWORD"}
    settings = StoreSettings("node2", "run1", (digest_server.address,), "/hidden", LIFE, others)
    other = Peer(StoreClient(ZooKeeperDriver, settings, others_seen), others_seen)
    sessions += [session, other]
    session.backend.open()
    session.watch(MEMBERS)
    session.register(member(1))
    session.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    other.backend.open()
    other.watch(MEMBERS)
    with pytest.raises(StoreError, match="permission denied: the znode's ACL"):
        other.backend.read(MEMBERS, WAIT_TIMEOUT)
    assert other.seen.snapshots(MEMBERS) == []


def test_a_wrong_digest_is_reported_and_repaired_without_a_restart(
    digest_server: ZooKeeper,
    password: Path,
    sessions: list[Peer],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server accepts any user and password, and rejects requests, which are logged once with the cause."""
    monkeypatch.setattr(reconciler, "REFUSED_DELAY", (0.2, 0.2))
    options = {"auth": "digest", "user": "agent", "password_file": str(password)}
    serves(opened(sessions, digest_server.address, options))
    sessions.pop().backend.close(2.0)
    password.write_text("wrong")
    session = opened(sessions, digest_server.address, options)
    session.seen.wait_names(MEMBERS, [], WAIT_TIMEOUT)
    with pytest.raises(StoreError, match=r"writing /secured/maintenance/apex/all: .* permission denied: "):
        session.backend.write(Key(MAINTENANCE, "all"), b"", WAIT_TIMEOUT)
    password.write_text(PASSWORD)
    serves(session)
    (complaint,) = [record.getMessage() for record in caplog.records]
    path, server = member(1).path("/secured"), digest_server.address
    assert complaint.startswith(f"zookeeper: cannot register {path}: {server}: permission denied: ")
    assert PASSWORD not in complaint


def test_a_missing_login_is_rejected(digest_server: ZooKeeper, sessions: list[Peer]) -> None:
    session = opened(sessions, digest_server.address, {})
    refused(session, digest_server.address, "authentication failed")


def test_a_wrong_sasl_password_is_reported_and_repaired_without_a_restart(
    sasl_server: ZooKeeper, password: Path, sessions: list[Peer]
) -> None:
    """A kazoo client ends after a rejection: a new one is created with the current password."""
    password.write_text("wrong")
    options = {"auth": "sasl", "user": "agent", "password_file": str(password)}
    session = opened(sessions, sasl_server.address, options)
    refused(session, sasl_server.address, "authentication failed")
    password.unlink()
    session.seen.wait_for(
        lambda: f"{password}: No such file" in detail(session), WAIT_TIMEOUT, "the missing file is reported"
    )
    password.write_text(PASSWORD)
    serves(session)


def test_a_client_without_a_certificate_is_rejected(
    tls_server: TlsZooKeeper, certificates: dict[str, object], sessions: list[Peer]
) -> None:
    options = {name: certificates[name] for name in ("tls", "ca")}
    refused(opened(sessions, tls_server.address, options), tls_server.address, "TLS: ")


def test_a_client_without_tls_is_rejected(tls_server: TlsZooKeeper, sessions: list[Peer]) -> None:
    refused(opened(sessions, tls_server.address, {}), tls_server.address, "the server closed the connection")


def test_a_server_without_tls_is_rejected(
    digest_server: ZooKeeper, certificates: dict[str, object], sessions: list[Peer]
) -> None:
    refused(
        opened(sessions, digest_server.address, certificates), digest_server.address, "does it support TLS"
    )


def test_a_certificate_of_another_authority_is_rejected(
    tls_server: TlsZooKeeper, certificates: dict[str, object], sessions: list[Peer], tmp_path: Path
) -> None:
    """It is accepted without verification."""
    options = {**certificates, "ca": str(Authority(tmp_path / "others").cert)}
    session = opened(sessions, tls_server.address, options)
    refused(session, tls_server.address, "certificate verify failed")
    serves(opened(sessions, tls_server.address, {**options, "verify": False}))


def test_a_private_authority_is_accepted_unless_strict(sessions: list[Peer], tmp_path: Path) -> None:
    """An authority without a key usage; the error of strict verification has the remedy."""
    plain = Authority(tmp_path / "plain", plain=True)
    server = TlsZooKeeper(tmp_path / "server", plain.cert, plain.issue("server").both)
    trust = {"tls": True, "ca": str(plain.cert), "certfile": str(plain.issue("agent").both)}
    server.start()
    try:
        session = opened(sessions, server.address, {**trust, "verify": "strict"})
        refused(session, server.address, NO_KEY_USAGE)
        serves(opened(sessions, server.address, trust))
    finally:
        server.stop()


def test_strict_verification_of_a_complete_authority(
    tls_server: TlsZooKeeper, certificates: dict[str, object], sessions: list[Peer]
) -> None:
    serves(opened(sessions, tls_server.address, {**certificates, "verify": "strict"}))


@pytest.mark.parametrize(
    "bad",
    [
        ("IP:127.0.0.1", -1, "certificate has expired"),
        ("DNS:somebody.else", 2, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_server_with_a_bad_certificate_is_rejected_until_it_has_a_good_one(
    authority: Authority,
    certificates: dict[str, object],
    sessions: list[Peer],
    tmp_path: Path,
    bad: tuple[str, int, str],
) -> None:
    subjects, days, cause = bad
    own = tmp_path / "own.pem"
    own.write_bytes(authority.issue("bad", subjects, days).both.read_bytes())
    server = TlsZooKeeper(tmp_path / "server", authority.cert, own)
    server.start()
    try:
        session = opened(sessions, server.address, certificates)
        refused(session, server.address, cause)
        own.write_bytes(authority.issue("good").both.read_bytes())
        server.restart()
        serves(session)
    finally:
        server.stop()


def test_an_encrypted_key_needs_its_password(
    authority: Authority, tls_server: TlsZooKeeper, sessions: list[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is never prompted for at a terminal."""
    own = authority.issue("encrypted", "DNS:agent", password=PASSWORD)
    options = {"tls": True, "ca": str(authority.cert), "certfile": str(own.cert), "keyfile": str(own.key)}
    session = opened(sessions, tls_server.address, options)
    session.seen.wait_for(
        lambda: "key_password_file or key_password_env is needed" in detail(session), WAIT_TIMEOUT
    )
    monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
    serves(opened(sessions, tls_server.address, {**options, "key_password_env": "KEY_PASSWORD"}))


def test_an_unreadable_file_is_rejected_immediately(certificates: dict[str, object]) -> None:
    with pytest.raises(StoreConfigError, match="ca: /nowhere: No such file"):
        opened([], "localhost", {**certificates, "ca": "/nowhere"})
