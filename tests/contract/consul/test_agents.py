"""Complete agents with Consul: rejected logins (S3, L2)."""

from pathlib import Path

from tests.benchmark.stores.options import options
from tests.benchmark.stores.page import shown
from tests.contract.agents import UNRESOLVED, Refused
from tests.contract.consul.test_security import MASTER
from tests.servers.certificates import Authority
from tests.servers.consul import Consul
from vipagent.net.tls import Verify, client_context


def registered(server: Consul) -> bool:
    """Return whether the agent's VIP is registered, as seen by another client."""
    return server.ask(f"kv/exabgp/service/apex/{Refused.VIP}") is not None


def test_a_wrong_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("00000000-0000-4000-8000-000000000000")
    acl = {"enabled": True, "default_policy": "deny", "tokens": {"master": MASTER, "agent": MASTER}}
    server = Consul(tmp_path / "server", {"acl": acl}, token=MASTER)
    login = {"token_file": str(token)}
    server.start()
    try:
        Refused(tmp_path, {"backend": "consul", "hosts": [server.address], "store": login}).recovers(
            f"{server.address}: .*(ACL|denie)", lambda: token.write_text(MASTER), lambda: registered(server)
        )
    finally:
        server.stop()


def test_an_expired_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    expired, good = authority.issue("expired", days=-1), authority.issue("good")
    cert, key = tmp_path / "own.crt", tmp_path / "own.key"
    careless = client_context(Verify.NO)  # the test's requests are not under test
    own = {"ca_file": str(authority.cert), "cert_file": str(cert), "key_file": str(key)}
    server = Consul(tmp_path / "server", own, tls=careless)
    trust = {"tls": True, "ca": str(authority.cert)}

    def renew() -> None:
        cert.write_bytes(good.cert.read_bytes())
        key.write_bytes(good.key.read_bytes())
        server.restart()

    cert.write_bytes(expired.cert.read_bytes())
    key.write_bytes(expired.key.read_bytes())
    server.start()
    try:
        Refused(tmp_path, {"backend": "consul", "hosts": [server.address], "store": trust}).recovers(
            f"{server.address}: .*certificate has expired", renew, lambda: registered(server)
        )
    finally:
        server.stop()


def test_a_name_that_cannot_be_resolved(tmp_path: Path) -> None:
    server = Consul(tmp_path / "server")
    server.start()
    try:
        agent = Refused(tmp_path, {"backend": "consul", "hosts": [f"{UNRESOLVED}:{server.port}"]})
        agent.recovers(f"{UNRESOLVED}:.*name resolution failed", agent.resolve, lambda: registered(server))
    finally:
        server.stop()


def test_the_page_lists_the_current_options() -> None:
    assert shown("options consul") == options("consul")
