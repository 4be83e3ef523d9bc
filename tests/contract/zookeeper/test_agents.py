"""Complete agents with ZooKeeper: rejected logins (S3, L2), and an ensemble that loses its leader (A2)."""

from pathlib import Path
from typing import Any

from kazoo.client import KazooClient

from tests.benchmark.stores.options import options
from tests.benchmark.stores.page import shown
from tests.contract.agents import UNRESOLVED, Refused, one_dies
from tests.servers.certificates import Authority
from tests.servers.zookeeper import HOST, Ensemble, TlsZooKeeper, ZooKeeper, sasl_only

PASSWORD = "s3cret"


def registered(server: ZooKeeper, vip: str = Refused.VIP, **access: Any) -> bool:
    """Return whether a VIP is registered, as seen by another client (without TLS)."""
    client = KazooClient(f"{HOST}:{server.port}", **access)
    client.start()
    try:
        return client.exists(f"/exabgp/service/apex/{vip}") is not None
    finally:
        client.stop()
        client.close()


def test_a_wrong_password(tmp_path: Path) -> None:
    password, folder = tmp_path / "password", tmp_path / "server"
    password.write_text("wrong")
    folder.mkdir()
    server = ZooKeeper(folder, java=sasl_only(folder, "agent", PASSWORD))
    identity = {"mechanism": "DIGEST-MD5", "username": "agent", "password": PASSWORD}
    login = {"auth": "sasl", "user": "agent", "password_file": str(password)}
    server.start()
    try:
        Refused(tmp_path, {"backend": "zookeeper", "hosts": [server.address], "store": login}).recovers(
            f"{server.address}: authentication failed",
            lambda: password.write_text(PASSWORD),
            lambda: registered(server, sasl_options=identity),
        )
    finally:
        server.stop()


def test_an_expired_certificate(tmp_path: Path) -> None:
    authority, own = Authority(tmp_path / "authority"), tmp_path / "own.pem"
    own.write_bytes(authority.issue("expired", days=-1).both.read_bytes())
    good = authority.issue("good").both.read_bytes()
    server = TlsZooKeeper(tmp_path / "server", authority.cert, own, client_auth="none")
    trust = {"tls": True, "ca": str(authority.cert)}

    def renew() -> None:
        own.write_bytes(good)
        server.restart()

    server.start()
    try:
        Refused(tmp_path, {"backend": "zookeeper", "hosts": [server.address], "store": trust}).recovers(
            f"{server.address}: .*certificate has expired", renew, lambda: registered(server)
        )
    finally:
        server.stop()


def test_a_name_that_cannot_be_resolved(tmp_path: Path) -> None:
    server = ZooKeeper(tmp_path / "server")
    server.start()
    try:
        agent = Refused(tmp_path, {"backend": "zookeeper", "hosts": [f"{UNRESOLVED}:{server.port}"]})
        # The error depends on the availability of a DNS server.
        said = f"{UNRESOLVED}: (Name or service not known|Temporary failure in name resolution)"
        agent.recovers(said, agent.resolve, lambda: registered(server))
    finally:
        server.stop()


def test_a_leader_killed_together_with_a_node(tmp_path: Path) -> None:
    """Exactly one other node takes over the VIP, once, and nothing else changes."""
    ensemble = Ensemble(tmp_path / "ensemble")
    ensemble.start()
    try:
        leader = ensemble.leader()
        one_dies(
            tmp_path,
            "zookeeper",
            ensemble.hosts,
            leader.kill,
            lambda vip: registered(leader, vip),
        )
    finally:
        ensemble.stop()


def test_the_page_lists_the_current_options() -> None:
    assert shown("options zookeeper") == options("zookeeper")
