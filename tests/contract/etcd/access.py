"""Servers of etcd that demand something, and sessions that are let in, or are not (S3)."""

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
"""Seconds of a session: a login takes etcd a tenth of a second of work, and waits for others' of them."""


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


def demanding(directory: Path, *flags: str) -> Iterator[Etcd]:
    """Yield a server that demands passwords."""
    server = Etcd(directory, flags)
    server.start()
    demand_passwords(server)
    yield server
    server.stop()


def permit(server: Etcd, prefix: str) -> None:
    """Let `agent` read and write all that begins with a prefix."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    permission = {"permType": "READWRITE", "key": b64(prefix), "range_end": b64(end)}
    server.ask("/v3/auth/role/grant", {"name": "agent", "perm": permission})


def opened(sessions: list[Peer], host: str, options: Mapping[str, object], prefix: str = PREFIX) -> Peer:
    """Return a session that has begun to connect, wants a member, and watches for it."""
    seen = Recorder()
    settings = StoreSettings("node1", f"run{len(sessions)}", (host,), prefix, LONG_LIFE, options)
    session = Peer(StoreClient(EtcdDriver, settings, seen), seen)
    sessions.append(session)
    return begun(session)
