"""etcd servers with authentication, and their sessions (S3)."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.contract.etcd.under_test import b64
from tests.contract.sessions import PASSWORD, begun
from tests.servers.etcd import Etcd
from vipagent.store.backend import StoreSettings
from vipagent.store.client import StoreClient
from vipagent.testing.peers import Peer
from vipagent.testing.recorder import Recorder
from vipagent_etcd import EtcdDriver

PREFIX = "/secured"
LONG_LIFE = 10.0
"""Session timeout in seconds: a login takes 0.1 s of CPU, and is queued behind others."""


def demand_passwords(server: Etcd) -> None:
    """Enable authentication on a new server; `agent` has access below /test… and PREFIX."""
    for user, password in (("root", "root"), ("agent", PASSWORD)):
        server.ask("/v3/auth/user/add", {"name": user, "password": password})
        server.ask("/v3/auth/role/add", {"name": user})
        server.ask("/v3/auth/user/grant", {"user": user, "role": user})
    for prefix in ("/test", PREFIX):
        permit(server, prefix)
    server.ask("/v3/auth/enable", {})
    server.identity = "root:root"


def demanding(directory: Path, *flags: str) -> Iterator[Etcd]:
    """Yield a server that requires passwords."""
    server = Etcd(directory, flags)
    server.start()
    demand_passwords(server)
    yield server
    server.stop()


def permit(server: Etcd, prefix: str) -> None:
    """Grant `agent` read and write access to a prefix."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    permission = {"permType": "READWRITE", "key": b64(prefix), "range_end": b64(end)}
    server.ask("/v3/auth/role/grant", {"name": "agent", "perm": permission})


def opened(sessions: list[Peer], host: str, options: Mapping[str, object], prefix: str = PREFIX) -> Peer:
    """Return a connecting session that registers a member and watches it."""
    seen = Recorder()
    settings = StoreSettings("node1", f"run{len(sessions)}", (host,), prefix, LONG_LIFE, options)
    session = Peer(StoreClient(EtcdDriver, settings, seen), seen)
    sessions.append(session)
    return begun(session)
