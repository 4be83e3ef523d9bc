"""Fixtures for all stores: sessions, which end with their test, and a password file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.sessions import PASSWORD
from vipagent.testing.peers import Peer, Peers
from vipagent.testing.store import StoreUnderTest


@pytest.fixture
def peers(store: StoreUnderTest) -> Iterator[Peers]:
    peers = Peers(store)
    yield peers
    peers.close()


@pytest.fixture
def sessions() -> Iterator[list[Peer]]:
    """Sessions, closed at the end of the test."""
    sessions: list[Peer] = []
    yield sessions
    for session in sessions:
        session.backend.close(2.0)


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """A file with PASSWORD."""
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file
