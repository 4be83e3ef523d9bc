"""etcd servers that require a password: accepted, rejected, recovered (S3)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.etcd.access import demand_passwords, demanding, opened, permit
from tests.contract.etcd.under_test import RENEWED, EtcdUnderTest
from tests.contract.sessions import PASSWORD, detail, refused, serves
from tests.servers.etcd import Etcd
from vipagent.store.backend import StoreConfigError, StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.testing.contract import BackendContract
from vipagent.testing.faults import MAX_RECOVERY
from vipagent.testing.peers import MEMBERS, Peer, eventually, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_etcd import EtcdDriver


@pytest.fixture(scope="module")
def password_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    yield from demanding(tmp_path_factory.mktemp("password"), "--auth-token-ttl=2")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Etcd]:
    """A server for one test, without authentication."""
    server = Etcd(tmp_path / "etcd")
    server.start()
    yield server
    server.stop()


class TestEtcdWithPassword(BackendContract):
    """A server that requires a password; its tokens expire after 2 s."""

    @pytest.fixture
    def store(self, password_server: Etcd, login: dict[str, object]) -> EtcdUnderTest:
        return EtcdUnderTest(password_server, login)


class TestPasswords:
    """A user and a password."""

    def test_a_wrong_password_is_reported_and_repaired_without_a_restart(
        self, password_server: Etcd, password: Path, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        password.write_text("wrong")
        session = opened(sessions, password_server.address, login)
        refused(session, password_server.address, "authentication failed: wrong user or password")
        password.unlink()
        session.seen.wait_for(lambda: f"{password}: No such file" in detail(session), WAIT_TIMEOUT)
        password.write_text(PASSWORD)
        serves(session)

    def test_a_password_from_the_environment(
        self, password_server: Etcd, sessions: list[Peer], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ETCD_PASSWORD", PASSWORD)
        options = {"user": "agent", "password_env": "ETCD_PASSWORD"}
        serves(opened(sessions, password_server.address, options))

    def test_a_missing_login_is_rejected(self, password_server: Etcd, sessions: list[Peer]) -> None:
        session = opened(sessions, password_server.address, {})
        session.seen.wait_for(lambda: "login required" in detail(session), WAIT_TIMEOUT)
        assert session.seen.snapshots(MEMBERS) == []
        with pytest.raises(StoreError, match="login required: set `user`"):
            session.backend.read(MEMBERS, WAIT_TIMEOUT)

    def test_a_login_where_none_is_required(
        self, server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        """Authentication can be enabled later without an outage."""
        session = opened(sessions, server.address, login)
        serves(session)
        mark = session.seen.mark()
        demand_passwords(server)
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, MAX_PROPAGATION)
        assert session.seen.states(mark) == []

    def test_keys_that_the_users_roles_do_not_cover(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login, prefix="/forbidden")
        session.seen.wait_for(lambda: "permission denied" in detail(session), WAIT_TIMEOUT)
        assert session.seen.snapshots(MEMBERS) == []
        permit(password_server, "/forbidden")
        serves(session)

    def test_a_token_does_not_outlive_a_restart(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark = session.seen.mark()
        with session.seen.always_contains(MEMBERS, member(1).name):
            password_server.restart()
            session.seen.wait_state(StoreState.CONNECTED, MAX_RECOVERY, mark)
            session.register(member(2))
            session.wait_claim(member(2), Claim.OURS, MAX_PROPAGATION)

    def test_an_expired_token_is_renewed(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        """Keep-alives still succeed; the next request gets a new token without an effect."""
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark, before = session.seen.mark(), password_server.metric(RENEWED)
        eventually(
            lambda: password_server.metric(RENEWED) >= before + 2, WAIT_TIMEOUT, "3 s without a request"
        )
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, MAX_PROPAGATION)
        assert session.seen.states(mark) == []

    def test_a_token_from_before_a_change_of_roles(
        self, password_server: Etcd, login: dict[str, object], sessions: list[Peer]
    ) -> None:
        session = opened(sessions, password_server.address, login)
        serves(session)
        mark = session.seen.mark()
        permit(password_server, "/something-else")
        session.register(member(2))
        session.wait_claim(member(2), Claim.OURS, MAX_PROPAGATION)
        assert session.seen.states(mark) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colour": "red"}, ["colour: unknown option", "password_file"]),
        ({"password": PASSWORD}, ["password: unknown option", "password_env"]),
        ({"tls": "maybe"}, ["tls: ", "'maybe'"]),
        ({"user": "agent"}, ["user", "password_file or password_env"]),
        ({"user": "agent", "password_env": "NOT_SET_ANYWHERE"}, ["NOT_SET_ANYWHERE"]),
        ({"user": "agent", "password_file": "/nowhere"}, ["password_file: /nowhere: No such file"]),
        ({"user": "a", "password_file": "/x", "password_env": "X"}, ["are mutually exclusive"]),
        ({"ca": "/etc/hostname"}, ["ca needs tls: true"]),
        ({"tls": True, "ca": "/nowhere"}, ["ca: /nowhere: No such file"]),
        ({"tls": True, "keyfile": "/etc/hostname"}, ["keyfile needs certfile"]),
    ],
)
def test_options_that_can_never_work(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(StoreConfigError) as error:
        StoreClient(EtcdDriver, StoreSettings("node1", "run1", options=options), Recorder())
    for word in words:
        assert word in str(error.value)
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize("host", ["http://127.0.0.1:2379", "127.0.0.1:99999", ":2379", "a b:1", "h:0", "h/x"])
def test_hosts_that_can_never_work(host: str) -> None:
    with pytest.raises(StoreConfigError, match="host"):
        StoreClient(EtcdDriver, StoreSettings("node1", "run1", hosts=(host,)), Recorder())
