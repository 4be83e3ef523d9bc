"""etcd that demands a password or certificates: who is let in, who is not, and how it heals (S3)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.contract.etcds import LIFE, RENEWED, EtcdUnderTest, b64, detail
from tests.servers.certificates import Authority
from tests.servers.etcd import Certificates, Etcd
from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.layout import Key
from vipagent.testing.contract import BackendContract
from vipagent.testing.faults import RECOVERY
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, eventually, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import NOTICE, PATIENCE
from vipagent_etcd import EtcdBackend

PASSWORD = "s3cret: with a colon"
PREFIX = "/secured"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def certificates(authority: Authority, name: str, attribute: str = "CN") -> Certificates:
    own = authority.issue(name, attribute=attribute)
    return Certificates(own.cert, own.key, authority.cert, demands_clients=True)


def demand_passwords(server: Etcd) -> None:
    """Have a new server demand a user and a password; `agent` may do all below /test… and PREFIX."""
    for user, password in (("root", "root"), ("agent", PASSWORD)):
        server.ask("/v3/auth/user/add", {"name": user, "password": password})
        server.ask("/v3/auth/role/add", {"name": user})
        server.ask("/v3/auth/user/grant", {"user": user, "role": user})
    for prefix in ("/test", PREFIX):
        permit(server, prefix)
    server.ask("/v3/auth/enable", {})
    server.identity = "root:root"


def permit(server: Etcd, prefix: str) -> None:
    """Let `agent` read and write all that begins with a prefix."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    permission = {"permType": "READWRITE", "key": b64(prefix), "range_end": b64(end)}
    server.ask("/v3/auth/role/grant", {"name": "agent", "perm": permission})


@pytest.fixture(scope="module")
def password_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("password"), ["--auth-token-ttl=2"])
    server.start()
    demand_passwords(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Etcd]:
    server = Etcd(tmp_path_factory.mktemp("tls"), certificates=certificates(authority, "server"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file


@pytest.fixture
def login(password: Path) -> dict[str, object]:
    """The options of an agent that such a server lets in."""
    return {"user": "agent", "password_file": str(password)}


@pytest.fixture
def own(authority: Authority) -> dict[str, object]:
    """The options of an agent with a certificate; they survive JSON."""
    issued = authority.issue("agent", "DNS:agent")
    return {"tls": True, "ca": str(authority.cert), "certfile": str(issued.cert), "keyfile": str(issued.key)}


class TestEtcdWithPassword(BackendContract):
    """A server that demands a user and a password, and forgets tokens after 2 s."""

    @pytest.fixture
    def store(self, password_server: Etcd, login: dict[str, object]) -> EtcdUnderTest:
        return EtcdUnderTest(password_server, login)


class TestEtcdWithTls(BackendContract):
    """A server that demands certificates."""

    @pytest.fixture
    def store(self, tls_server: Etcd, own: dict[str, object]) -> EtcdUnderTest:
        return EtcdUnderTest(tls_server, own)


@pytest.fixture
def sessions() -> Iterator[list[Peer]]:
    sessions: list[Peer] = []
    yield sessions
    for session in sessions:
        session.backend.close(2.0)


def opened(sessions: list[Peer], host: str, options: Mapping[str, object], prefix: str = PREFIX) -> Peer:
    """Return a session that has begun to connect, wants a member, and watches for it."""
    seen = Recorder()
    settings = StoreSettings("node1", f"run{len(sessions)}", (host,), prefix, LIFE, options)
    session = Peer(EtcdBackend(settings, seen), seen)
    sessions.append(session)
    session.watch(MEMBERS)
    session.register(member(1))
    session.backend.open()
    return session


def serves(session: Peer) -> None:
    """Assert that the session gets what it wants."""
    session.wait_claim(member(1), Claim.OURS, PATIENCE)
    session.backend.write(Key(MAINTENANCE, "all"), b"", PATIENCE)
    assert session.backend.erase(Key(MAINTENANCE, "all"), PATIENCE)


def refused(session: Peer, host: str, cause: str) -> None:
    """Assert that the session is told, once, why it gets nothing; and the operator, too."""
    session.seen.wait_state(StoreState.LOST, PATIENCE)
    session.seen.wait_for(lambda: cause in detail(session), PATIENCE, f"the cause is {cause}")
    with pytest.raises(StoreError) as error:
        session.backend.read(MEMBERS, 1.5)
    for told in (str(error.value), detail(session)):
        assert f"{host}: " in told
        assert cause in told
        assert PASSWORD not in told
    assert session.seen.snapshots(MEMBERS) == []
    assert set(session.seen.states()) == {StoreState.LOST}
    assert len(session.seen.states()) <= 2, "each attempt fails alike: no news"


class TestPasswords:
    """A user and a password."""

    def test_a_wrong_password_is_told_and_mended_without_a_restart(
        self, password_server: Etcd, password: Path, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        password.write_text("wrong")
        session = opened(sessions, password_server.address, login)
        refused(session, password_server.address, "authentication failed: wrong user or password")
        password.unlink()
        session.seen.wait_for(lambda: f"{password}: No such file" in detail(session), PATIENCE)
        password.write_text(PASSWORD)
        serves(session)

    def test_a_password_from_the_environment(
        self, password_server: Etcd, sessions: list[Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ETCD_PASSWORD", PASSWORD)
        options = {"user": "agent", "password_env": "ETCD_PASSWORD"}
        serves(opened(sessions, password_server.address, options))

    def test_no_login_where_one_is_demanded(self, password_server: Etcd, sessions: list[Peer]) -> None:
        session = opened(sessions, password_server.address, {})
        session.seen.wait_for(lambda: "it demands a user" in detail(session), PATIENCE)
        assert session.seen.snapshots(MEMBERS) == []
        with pytest.raises(StoreError, match="it demands a user and a password"):
            session.backend.read(MEMBERS, PATIENCE)

    def test_a_login_where_none_is_demanded(
        self, server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        """So that it can be demanded later, without an outage."""
        session = opened(sessions, server.address, login)
        serves(session)
        mark = session.seen.mark()
        demand_passwords(server)
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, NOTICE)
        assert session.seen.states(mark) == []

    def test_keys_that_the_users_roles_do_not_cover(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login, prefix="/forbidden")
        session.seen.wait_for(lambda: "permission denied" in detail(session), PATIENCE)
        assert session.seen.snapshots(MEMBERS) == []
        permit(password_server, "/forbidden")
        serves(session)

    def test_pitfall_18_a_token_does_not_outlive_a_restart(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark = session.seen.mark()
        with session.seen.never_without(MEMBERS, member(1).name):
            password_server.restart()
            session.seen.wait_state(StoreState.CONNECTED, RECOVERY, mark)
            session.register(member(2))
            session.wait_claim(member(2), Claim.OURS, NOTICE)

    def test_pitfall_18_a_token_that_has_run_out_unnoticed(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        """Keep-alives succeed with it all the same: the next request finds out, and nobody notices."""
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark, before = session.seen.mark(), password_server.metric(RENEWED)
        eventually(lambda: password_server.metric(RENEWED) >= before + 4, PATIENCE, "4 s without a request")
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, NOTICE)
        assert session.seen.states(mark) == []

    def test_pitfall_18_a_token_from_before_a_change_of_roles(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark = session.seen.mark()
        permit(password_server, "/something-else")
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, NOTICE)
        assert session.seen.states(mark) == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    """A server that may be changed."""
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


class TestCertificates:
    """TLS, with certificates on both sides."""

    def test_pitfall_19_with_passwords_too_a_certificate_has_no_common_name(
        self, authority: Authority, login: dict[str, object], sessions: list[Peer], tmp_path: Path
    ) -> None:
        """The gateway refuses others; the message says what to do."""
        server = Etcd(tmp_path / "both", certificates=certificates(authority, "nameless", "O"))
        server.start()
        try:
            demand_passwords(server)
            named, nameless = authority.issue("named"), authority.issue("agents", attribute="O")
            both = {**login, "tls": True, "ca": str(authority.cert)}
            session = opened(sessions, server.address, {**both, "certfile": str(named.both)})
            refused(session, server.address, "no client certificate that has a CommonName")
            serves(opened(sessions, server.address, {**both, "certfile": str(nameless.both)}))
        finally:
            server.stop()

    def test_a_client_without_a_certificate_is_refused(
        self, tls_server: Etcd, own: dict[str, object], sessions: list[Peer]
    ) -> None:
        options = {name: own[name] for name in ("tls", "ca")}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "does it want a certificate of ours")

    def test_a_client_without_tls_is_refused(self, tls_server: Etcd, sessions: list[Peer]) -> None:
        refused(opened(sessions, tls_server.address, {}), tls_server.address, "does it want TLS?")

    def test_a_server_without_tls_is_refused(
        self, server: Etcd, own: dict[str, object], sessions: list[Peer]
    ) -> None:
        refused(opened(sessions, server.address, own), server.address, "does it speak TLS")

    def test_a_certificate_of_another_authority_is_refused(
        self, tls_server: Etcd, own: dict[str, object], sessions: list[Peer], tmp_path: Path
    ) -> None:
        """Unless it need not be verified."""
        options = {**own, "ca": str(Authority(tmp_path / "others").cert)}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "its certificate is not accepted")
        serves(opened(sessions, tls_server.address, {**options, "verify": False}))

    def test_pitfall_8_authorities_of_the_environment_are_not_for_us(
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
        refused(session, tls_server.address, "its certificate is not accepted")

    @pytest.mark.parametrize(
        "bad",
        [
            ("IP:127.0.0.1", -1, "certificate has expired"),
            ("DNS:somebody.else", 2, "certificate is not valid for '127.0.0.1'"),
        ],
    )
    def test_a_server_with_a_bad_certificate_is_refused_until_it_has_a_good_one(
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
        """It is asked for nowhere, least of all at a terminal."""
        issued = authority.issue("encrypted", "DNS:agent", password=PASSWORD)
        options = {"tls": True, "ca": str(authority.cert), "certfile": str(issued.both)}
        session = opened(sessions, tls_server.address, options)
        refused(session, tls_server.address, "key_password_file or key_password_env is needed")
        monkeypatch.setenv("KEY_PASSWORD", PASSWORD)
        serves(opened(sessions, tls_server.address, {**options, "key_password_env": "KEY_PASSWORD"}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, ["colour: there is no such option", "password_file"]),
        ({"password": PASSWORD}, ["password: there is no such option", "password_env"]),
        ({"tls": "maybe"}, ["tls: ", "'maybe'"]),
        ({"user": "agent"}, ["user", "password_file or password_env"]),
        ({"user": "agent", "password_env": "NOT_SET_ANYWHERE"}, ["NOT_SET_ANYWHERE"]),
        ({"user": "agent", "password_file": "/nowhere"}, ["password_file: /nowhere: No such file"]),
        ({"user": "a", "password_file": "/x", "password_env": "X"}, ["one of them is enough"]),
        ({"ca": "/etc/hostname"}, ["ca needs tls: true"]),
        ({"tls": True, "ca": "/nowhere"}, ["ca: /nowhere: No such file"]),
        ({"tls": True, "keyfile": "/etc/hostname"}, ["keyfile needs certfile"]),
    ],
)
def test_options_that_can_never_work(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(StoreConfigError) as error:
        EtcdBackend(StoreSettings("node1", "run1", options=options), Recorder())
    for word in words:
        assert word in str(error.value)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("host", ["http://127.0.0.1:2379", "127.0.0.1:99999", ":2379", "a b:1", "h:0", "h/x"])
def test_hosts_that_can_never_work(host: str) -> None:
    with pytest.raises(StoreConfigError, match="host"):
        EtcdBackend(StoreSettings("node1", "run1", hosts=(host,)), Recorder())
