"""Complete agents with etcd: rejected logins (S3, L2), and a cluster that loses its leader (A2)."""

from pathlib import Path

from tests.benchmark.stores.options import options
from tests.benchmark.stores.page import shown
from tests.contract.agents import UNRESOLVED, Refused, one_dies
from tests.contract.etcd.access import demand_passwords, permit
from tests.contract.etcd.under_test import b64
from tests.contract.sessions import PASSWORD
from tests.servers.certificates import Authority
from tests.servers.etcd import Certificates, Cluster, Etcd


def registered(server: Etcd, vip: str = Refused.VIP) -> bool:
    """Return whether a VIP is registered, as seen by another client."""
    return "kvs" in server.ask("/v3/kv/range", {"key": b64(f"/exabgp/service/apex/{vip}")})


def test_a_wrong_password(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    server = Etcd(tmp_path / "server")
    login = {"user": "agent", "password_file": str(password)}
    server.start()
    try:
        demand_passwords(server)
        server.identity = "root:root"
        permit(server, "/exabgp")
        Refused(tmp_path, {"backend": "etcd", "hosts": [server.address], "store": login}).recovers(
            f"{server.address}: .*password", lambda: password.write_text(PASSWORD), lambda: registered(server)
        )
    finally:
        server.stop()


def test_an_expired_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    expired, good = authority.issue("expired", days=-1), authority.issue("good")
    used = Certificates(tmp_path / "used.crt", tmp_path / "used.key", authority.cert)
    server = Etcd(tmp_path / "server", certificates=used)
    trust = {"tls": True, "ca": str(authority.cert)}

    def use(cert: Path, key: Path) -> None:
        used.cert.write_bytes(cert.read_bytes())  # etcd reads its files at each handshake
        used.key.write_bytes(key.read_bytes())

    use(good.cert, good.key)
    server.start()
    try:
        use(expired.cert, expired.key)
        Refused(tmp_path, {"backend": "etcd", "hosts": [server.address], "store": trust}).recovers(
            f"{server.address}: .*certificate has expired",
            lambda: use(good.cert, good.key),
            lambda: registered(server),
        )
    finally:
        server.stop()


def test_a_name_that_cannot_be_resolved(tmp_path: Path) -> None:
    server = Etcd(tmp_path / "server")
    server.start()
    try:
        agent = Refused(tmp_path, {"backend": "etcd", "hosts": [f"{UNRESOLVED}:{server.port}"]})
        agent.recovers(f"{UNRESOLVED}:.*name resolution failed", agent.resolve, lambda: registered(server))
    finally:
        server.stop()


def test_a_leader_killed_together_with_a_node(tmp_path: Path) -> None:
    """Exactly one other node takes over the VIP, once, and nothing else changes."""
    cluster = Cluster(tmp_path / "cluster")
    cluster.start()
    try:
        leader = cluster.leader()
        one_dies(tmp_path, "etcd", cluster.hosts, leader.kill, lambda vip: registered(leader, vip))
    finally:
        cluster.stop()


def test_the_page_lists_the_current_options() -> None:
    assert shown("options etcd") == options("etcd")
    assert shown("options tls") == options("tls")
