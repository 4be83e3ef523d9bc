"""The demo's operator, who sets maintenance keys like `vipagent maintenance`."""

from pathlib import Path

from vipagent.demo.cluster import DEMO_SERVICE
from vipagent.store.backend import Snapshot, StoreSettings
from vipagent.store.layout import WHOLE_SERVICE, Directory, Key, Kind
from vipagent.store.plugins import load
from vipagent.store.records import Maintenance
from vipagent.types import StoreState

TIMEOUT = 5.0


class _NullListener:
    """A listener that ignores all events."""

    def session(self, state: StoreState, detail: str) -> None:
        """Ignore the event."""

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Ignore the event."""


class Operator:
    """Sets and ends maintenance of nodes and the service.

    Args:
        store: directory of the demo's store.
    """

    def __init__(self, store: Path) -> None:
        settings = StoreSettings(node="operator", instance="demo", hosts=(str(store),))
        self._backend = load("file")(settings, _NullListener())
        self._backend.open()

    def maintain(self, node: str) -> None:
        """Drain one node."""
        self._backend.write(_key(node), Maintenance(reason="the demo", by="operator").dump(), TIMEOUT)

    def resume(self, node: str) -> None:
        """End the maintenance of one node."""
        self._backend.erase(_key(node), TIMEOUT)

    def maintain_all(self) -> None:
        """Put the whole service in maintenance."""
        self.maintain(WHOLE_SERVICE)

    def resume_all(self) -> None:
        """End the maintenance of the service."""
        self.resume(WHOLE_SERVICE)

    def in_maintenance(self, node: str) -> bool:
        """Return whether a node (or the service, by its name) is in maintenance."""
        return node in self._backend.read(_key(node).directory, TIMEOUT)

    def close(self) -> None:
        """Close the store session."""
        self._backend.close(TIMEOUT)


def _key(node: str) -> Key:
    return Key(Directory(Kind.MAINTENANCE, DEMO_SERVICE), node)
