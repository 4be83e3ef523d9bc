"""A foreign client of ExaZK's tree in ZooKeeper (S2)."""

import contextlib
from types import TracebackType

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from kazoo.retry import KazooRetry

from tests.exabgp.lab import SERVICE


class Registry:
    """A client for one prefix."""

    def __init__(self, address: str, prefix: str) -> None:
        retry = KazooRetry(max_tries=-1, max_delay=0.5)
        self.client = KazooClient(address, timeout=6, connection_retry=retry)
        self._prefix = prefix

    def __enter__(self) -> "Registry":
        self.client.start(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.stop()
        self.client.close()

    def path(self, kind: str, name: str = "") -> str:
        """Return the path of a service's directory, or of an entry in it."""
        return f"{self._prefix}/{kind}/{SERVICE}" + (f"/{name}" if name else "")

    def members(self) -> set[str]:
        """Return the VIPs of all live registrations."""
        try:
            return set(self.client.get_children(self.path("service")))
        except NoNodeError:
            return set()

    def session(self, vip: str) -> int:
        """Return the session that holds a VIP's registration; 0 if there is none."""
        status = self.client.exists(self.path("service", vip))
        return status.ephemeralOwner if status else 0

    def states(self) -> set[str]:
        """Return the names of the nodes that publish their state."""
        try:
            return set(self.client.get_children(self.path("state")))
        except NoNodeError:
            return set()

    def put(self, kind: str, name: str, value: bytes = b"", ephemeral: bool = False) -> None:
        """Create an entry."""
        self.client.create(self.path(kind, name), value, ephemeral=ephemeral, makepath=True)

    def remove(self, kind: str, name: str) -> None:
        """Delete an entry, if it exists, and all of its children."""
        with contextlib.suppress(NoNodeError):
            self.client.delete(self.path(kind, name), recursive=True)
