"""Helpers that run commands against an in-memory store."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vipagent.cli import session
from vipagent.cli.main import cli
from vipagent.config import load
from vipagent.store.backend import Listener, StoreError, StoreSettings
from vipagent.store.layout import Directory, Key, Kind, member_name
from vipagent.store.records import NodeState, Registration, VipState
from vipagent.testing.memory import MemoryBackend, MemoryStore
from vipagent.testing.slowness import allowed


class Site:
    """A service `apex` in an in-memory store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.opened: list[MemoryBackend] = []

    def backend(self, settings: StoreSettings, listener: Listener) -> MemoryBackend:
        """Create a session; replaces a backend's constructor."""
        if "away.example:1" in settings.hosts:
            raise StoreError("away.example:1: Connection refused")
        self.opened.append(MemoryBackend(settings, listener, self.store))
        return self.opened[-1]

    def member(self, vip: str, node: str = "") -> None:
        """Register a VIP; without a node, anonymously as ExaZK does."""
        value = Registration(node, "i").dump() if node else b""
        self.store.put(_key(Kind.MEMBERS, member_name(vip)), value)

    def state(self, node: str, vips: dict[str, VipState], **fields: Any) -> None:
        """Publish a node's state."""
        state = NodeState(node=node, check=fields.pop("check", "up"), vips=vips, **fields)
        self.store.put(_key(Kind.STATES, node), state.dump())

    def put(self, kind: Kind, name: str, value: bytes = b"") -> None:
        """Write a raw entry."""
        self.store.put(_key(kind, name), value)

    def maintenance(self) -> dict[str, Any]:
        """Return the maintenance keys, parsed from JSON."""
        entries = self.store.entries(Directory(Kind.MAINTENANCE, "apex"))
        return {name: json.loads(value or b"{}") for name, value in entries.items()}


def _key(kind: Kind, name: str) -> Key:
    return Key(Directory(kind, "apex"), name)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Connect every backend to this site; fail if a session is left open."""
    site = Site()
    monkeypatch.setattr(session, "load", lambda _name: site.backend)
    monkeypatch.setattr(load, "load", lambda _name: lambda settings, listener: None)
    yield site
    assert not site.store.sessions


def vipagent(*arguments: str) -> int:
    """Run a command; return its exit status."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments), prog_name="vipagent")
    status = ended.value.code
    assert isinstance(status, int | None)
    return status or 0


def operate(*arguments: str) -> int:
    """Run a command with store options, without a configuration file."""
    return vipagent(*arguments, "--hosts", "store.example:1")


def run_during_session(action: Callable[[], None], site: Site) -> threading.Thread:
    """Run an action once a command has opened its session."""

    def wait() -> None:
        session_open.wait(allowed(10))
        action()

    session_open = threading.Event()
    opened = site.backend

    def backend(settings: StoreSettings, listener: Listener) -> MemoryBackend:
        made = opened(settings, listener)
        watch = made.watch

        def watched(directory: Directory, values: frozenset[str] | None = frozenset()) -> None:
            watch(directory, values)
            session_open.set()

        made.watch = watched  # type: ignore[method-assign]
        return made

    site.backend = backend  # type: ignore[method-assign]
    thread = threading.Thread(target=wait)
    thread.start()
    return thread
