"""Consul servers that require a token: accepted, rejected, recovered (S3)."""

import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest, opened
from tests.contract.sessions import wait_detail
from tests.servers.consul import HOST, Consul
from tests.servers.process import wait_for
from vipagent.store.backend import StoreError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import WHOLE_SERVICE, Key
from vipagent.testing.faults import LOSS_TOLERANCE
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT
from vipagent.types import Claim, StoreState
from vipagent_consul import ConsulDriver

MASTER = "3b1f6a52-0000-4000-8000-000000000001"


class Tokens:
    """A server with the ACL default policy `deny`."""

    def __init__(self, server: Consul) -> None:
        self.server = server
        self._count = 0

    def make(self, rules: str) -> tuple[str, str]:
        """Create a token with these rules; return its accessor and secret."""
        self._count += 1
        name = f"policy-{self._count}"
        self.server.call("acl/policy", body={"Name": name, "Rules": rules})
        token = self.server.call("acl/token", body={"Policies": [{"Name": name}]})
        assert isinstance(token, dict)
        return token["AccessorID"], token["SecretID"]

    def revoke(self, accessor: str) -> None:
        self.server.call(f"acl/token/{accessor}", "DELETE")


def rules(prefix: str) -> str:
    """Return the policy of an agent, as documented."""
    return f"""
        key_prefix "{prefix.strip("/")}/" {{ policy = "write" }}
        session_prefix "" {{ policy = "write" }}
        service "vipagent" {{ policy = "write" }}
    """


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tokens]:
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": MASTER, "agent": MASTER}}
    server = Consul(tmp_path_factory.mktemp("acl"), {"acl": acl}, token=MASTER)
    server.start()
    yield Tokens(server)
    server.stop()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture
def store(guarded: Tokens, token_file: Path) -> ConsulUnderTest:
    token_file.write_text("not yet made\n")
    return ConsulUnderTest(guarded.server, {"token_file": str(token_file)})


@pytest.fixture
def agent(store: ConsulUnderTest) -> Iterator[Peer]:
    """An agent with a file that contains no valid token yet."""
    with opened(store) as agent:
        yield agent


def test_a_token_from_a_file(agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path) -> None:
    token_file.write_text(guarded.make(rules(store.prefix))[1] + "\n")
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    agent.backend.write(Key(MAINTENANCE, WHOLE_SERVICE), b"", WAIT_TIMEOUT)
    assert set(agent.backend.read(MAINTENANCE, WAIT_TIMEOUT)) == {WHOLE_SERVICE}
    assert agent.backend.erase(Key(MAINTENANCE, WHOLE_SERVICE), WAIT_TIMEOUT)
    agent.backend.deregister(member(1))
    agent.seen.wait_names(MEMBERS, [], MAX_PROPAGATION)


def test_a_token_from_the_environment(
    guarded: Tokens, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPAGENT_TOKEN", guarded.make(rules(store.prefix))[1])
    store.options = {"token_env": "VIPAGENT_TOKEN"}
    with opened(store) as agent:
        agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_the_environment_overrides_nothing(
    agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of other Consul or HTTP tools are ignored."""
    token_file.write_text(guarded.make(rules(store.prefix))[1])
    for name, value in {
        "CONSUL_HTTP_TOKEN": "another",
        "CONSUL_HTTP_ADDR": f"{HOST}:1",
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_SSL_VERIFY": "true",
        "REQUESTS_CA_BUNDLE": "/nowhere",
        "CURL_CA_BUNDLE": "/nowhere",
        "HTTP_PROXY": f"http://{HOST}:1",
        "http_proxy": f"http://{HOST}:1",
    }.items():
        monkeypatch.setenv(name, value)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_no_token_from_the_environment(
    guarded: Tokens, store: ConsulUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a configured token, none is sent."""
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", MASTER)
    store.options = {}
    with opened(store) as agent:
        wait_detail(agent, ".*Permission denied")


def test_a_token_goes_into_the_header_alone(tmp_path: Path) -> None:
    """It is neither in the URL nor in the body, so that it does not appear in logs."""
    seen: list[tuple[str, Mapping[str, str]]] = []

    class Recording(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            seen.append((self.path, dict(self.headers)))
            self.send_error(403, "not today")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer((HOST, 0), Recording)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    (tmp_path / "token").write_text("s3cret")
    settings = StoreSettings(
        "node1", "run1", (f"{HOST}:{server.server_port}",), options={"token_file": str(tmp_path / "token")}
    )
    recorder = Recorder()
    backend = StoreClient(ConsulDriver, settings, recorder)
    try:
        backend.open()
        recorder.wait_state(StoreState.LOST, WAIT_TIMEOUT)
    finally:
        backend.close(2.0)
        server.shutdown()
        serving.join()
        server.server_close()
    assert seen
    for path, headers in seen:
        assert "s3cret" not in path
        assert headers["X-Consul-Token"] == "s3cret"
    assert not any("s3cret" in str(event) for event in recorder.events())


def test_a_wrong_token_is_reported_and_repaired_without_a_restart(
    agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path
) -> None:
    wait_detail(
        agent, f"{store.server.address}: permission denied: PUT /v1/agent/service/register: ACL not found"
    )
    assert set(agent.seen.states()) == {StoreState.LOST}
    with pytest.raises(StoreError, match=f"{store.server.address}: permission denied: PUT /v1/agent/"):
        agent.backend.read(MEMBERS, WAIT_TIMEOUT)
    token_file.write_text(guarded.make(rules(store.prefix))[1])
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_a_deleted_token_file_is_reported(
    agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path
) -> None:
    wait_detail(agent, ".*permission denied")
    token_file.unlink()
    wait_detail(agent, f".*token_file: {token_file}: No such file")
    token_file.write_text("\n")
    wait_detail(agent, f".*token_file: {token_file} is empty")
    token_file.write_text(guarded.make(rules(store.prefix))[1])
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)


def test_a_token_that_expires_is_replaced(
    agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path
) -> None:
    """The session cannot be renewed until the new token is read from the file."""
    accessor, secret = guarded.make(rules(store.prefix))
    token_file.write_text(secret)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    mark = agent.seen.mark()
    guarded.revoke(accessor)
    agent.seen.wait_state(StoreState.LOST, LIFE + LOSS_TOLERANCE, mark)
    assert agent.seen.snapshots(MEMBERS, mark) == []
    token_file.write_text(guarded.make(rules(store.prefix))[1])
    agent.seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT, mark)
    agent.seen.wait_names(MEMBERS, [member(1).name], WAIT_TIMEOUT, mark)


def test_hidden_keys_are_not_absent(
    agent: Peer, guarded: Tokens, store: ConsulUnderTest, token_file: Path
) -> None:
    """Consul silently omits hidden keys, which would make every VIP an orphan."""
    token_file.write_text(guarded.make(rules("/another"))[1])
    wait_detail(agent, f"{store.server.address}: permission denied")
    assert agent.seen.snapshots(MEMBERS) == []
    with pytest.raises(StoreError, match="permission denied"):
        agent.backend.read(MEMBERS, WAIT_TIMEOUT)
    with pytest.raises(StoreError, match="permission denied"):
        agent.backend.write(Key(MAINTENANCE, WHOLE_SERVICE), b"", WAIT_TIMEOUT)


def test_a_token_that_may_only_read(
    agent: Peer,
    guarded: Tokens,
    store: ConsulUnderTest,
    token_file: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A rejected registration is reported, and succeeds as soon as the policy permits it."""
    token_file.write_text(guarded.make(rules(store.prefix).replace('"write"', '"read"', 1))[1])
    path = member(1).path(store.prefix)
    words = f"{path}: permission denied: cannot write the key {path.strip('/')}"
    wait_for("the refusal is logged", lambda: words in caplog.text)
    policy = guarded.server.call("acl/policies", "GET")
    assert isinstance(policy, list)
    (mine,) = (each for each in policy if each["Name"] == f"policy-{guarded._count}")
    body = {"ID": mine["ID"], "Name": mine["Name"], "Rules": rules(store.prefix)}
    guarded.server.call(f"acl/policy/{mine['ID']}", body=body)
    agent.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
