"""Sessions in the states that the tests of every store begin with, and what they were told."""

import re

import pytest

from tests.servers.process import wait_for
from vipagent.store.backend import StoreError
from vipagent.store.layout import Key
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.store import PATIENCE
from vipagent.types import Claim, StoreState

PASSWORD = "s3cret: with a colon"
NO_KEY_USAGE = (
    "CA cert does not include key usage extension, so `verify: strict` refuses it: make the authority's "
    "certificate with keyUsage=critical,keyCertSign,cRLSign, or leave out `verify: strict`"
)
"""Why strict verification refuses what a plain authority has issued, and what to do."""


def detail(session: Peer) -> str:
    """Return what was told last about the session; empty if nothing was."""
    told = [event.detail for event in session.seen.events() if isinstance(event, SessionSeen)]
    return told[-1] if told else ""


def wait_detail(session: Peer, pattern: str) -> None:
    """Wait until what was told last about the session begins with a match of `pattern`."""
    session.seen.wait_for(lambda: re.match(pattern, detail(session)), PATIENCE, f"it says {pattern!r}")


def begun(session: Peer) -> Peer:
    """Open a session that wants a member, and watches for it; it may or may not get in."""
    session.watch(MEMBERS)
    session.register(member(1))
    session.backend.open()
    return session


def registered(peers: Peers, node: str = "node1", last: int = 1) -> Peer:
    """Return an agent that has one member, and watches all members."""
    agent = peers.join(node)
    agent.watch(MEMBERS)
    agent.register(member(last))
    agent.wait_claim(member(last), Claim.OURS, PATIENCE)
    return agent


def serves(session: Peer) -> None:
    """Assert that the session gets what it wants."""
    session.wait_claim(member(1), Claim.OURS, PATIENCE)
    session.backend.write(Key(MAINTENANCE, "all"), b"", PATIENCE)
    assert session.backend.erase(Key(MAINTENANCE, "all"), PATIENCE)


def wait_read_refused(session: Peer, pattern: str) -> str:
    """Wait until an operator's command is told what `pattern` is found in; return it.

    On a busy machine there may first be no answer at all in time.
    """

    def told() -> str:
        with pytest.raises(StoreError) as error:
            session.backend.read(MEMBERS, 1.5)
        said = str(error.value)
        return said if re.search(pattern, said) else ""

    return wait_for(f"a command is told {pattern!r}", told, PATIENCE)


def refused(session: Peer, host: str, cause: str) -> None:
    """Assert that the session is told, once, why it gets nothing; and the operator, too; but no secret."""
    session.seen.wait_state(StoreState.LOST, PATIENCE)
    session.seen.wait_for(lambda: cause in detail(session), PATIENCE, f"the cause is {cause}")
    for told in (wait_read_refused(session, re.escape(cause)), detail(session)):
        assert f"{host}: " in told
        assert cause in told
        assert PASSWORD not in told
    assert session.seen.snapshots(MEMBERS) == []
    news = [event for event in session.seen.events() if isinstance(event, SessionSeen)]
    assert {event.state for event in news} == {StoreState.LOST}
    assert len([event for event in news if cause in event.detail]) <= 2, "each attempt fails alike: no news"
