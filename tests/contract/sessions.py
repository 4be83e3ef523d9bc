"""Sessions in the initial states of tests, and their reported details."""

import re

import pytest

from tests.servers.process import wait_for
from vipagent.store.backend import StoreError
from vipagent.store.layout import Key
from vipagent.testing.peers import MAINTENANCE, MEMBERS, Peer, Peers, member
from vipagent.testing.recorder import SessionSeen
from vipagent.testing.store import WAIT_TIMEOUT
from vipagent.types import Claim, StoreState

PASSWORD = "s3cret: with a colon"
NO_KEY_USAGE = (
    "CA cert does not include key usage extension, rejected by `verify: strict`: create the authority's "
    "certificate with keyUsage=critical,keyCertSign,cRLSign, or remove `verify: strict`"
)
"""Error of strict verification for a certificate of a private authority."""


def detail(session: Peer) -> str:
    """Return the last detail of the session; empty if there is none."""
    texts = [event.detail for event in session.seen.events() if isinstance(event, SessionSeen)]
    return texts[-1] if texts else ""


def wait_detail(session: Peer, pattern: str) -> None:
    """Wait until the last detail of the session matches `pattern`."""
    session.seen.wait_for(
        lambda: re.match(pattern, detail(session)), WAIT_TIMEOUT, f"the detail matches {pattern!r}"
    )


def begun(session: Peer) -> Peer:
    """Open a session that registers a member and watches it; the login may fail."""
    session.watch(MEMBERS)
    session.register(member(1))
    session.backend.open()
    return session


def registered(peers: Peers, node: str = "node1", last: int = 1) -> Peer:
    """Return an agent with one member that watches all members."""
    agent = peers.join(node)
    agent.watch(MEMBERS)
    agent.register(member(last))
    agent.wait_claim(member(last), Claim.OURS, WAIT_TIMEOUT)
    return agent


def serves(session: Peer) -> None:
    """Assert that the session registers its member."""
    session.wait_claim(member(1), Claim.OURS, WAIT_TIMEOUT)
    session.backend.write(Key(MAINTENANCE, "all"), b"", WAIT_TIMEOUT)
    assert session.backend.erase(Key(MAINTENANCE, "all"), WAIT_TIMEOUT)


def wait_read_refused(session: Peer, pattern: str) -> str:
    """Wait until an operator command fails with a message that matches `pattern`; return it.

    On a busy machine it may first time out.
    """

    def failure() -> str:
        with pytest.raises(StoreError) as error:
            session.backend.read(MEMBERS, 1.5)
        message = str(error.value)
        return message if re.search(pattern, message) else ""

    return wait_for(f"a command fails with {pattern!r}", failure, WAIT_TIMEOUT)


def refused(session: Peer, host: str, cause: str) -> None:
    """Assert that the session and an operator command report the cause once, without secrets."""
    session.seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
    session.seen.wait_for(lambda: cause in detail(session), WAIT_TIMEOUT, f"the cause is {cause}")
    for text in (wait_read_refused(session, re.escape(cause)), detail(session)):
        assert f"{host}: " in text
        assert cause in text
        assert PASSWORD not in text
    assert session.seen.snapshots(MEMBERS) == []
    news = [event for event in session.seen.events() if isinstance(event, SessionSeen)]
    assert {event.state for event in news} == {StoreState.LOST}
    assert len([event for event in news if cause in event.detail]) <= 2, (
        "repeated equal failures are not reported again"
    )
