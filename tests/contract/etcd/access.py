"""Servers of etcd that demand something, and sessions that are let in, or are not (S3)."""

from collections.abc import Mapping

import pytest

from tests.contract.etcd.under_test import LIFE, b64, detail
from tests.servers.etcd import Etcd
from vipagent.core.words import Claim, StoreState
from vipagent.store.backend import StoreError, StoreSettings
from vipagent.store.layout import Key
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, member
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import PATIENCE
from vipagent_etcd import EtcdBackend

PASSWORD = "s3cret: with a colon"
PREFIX = "/secured"


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
