"""Interface between the contract tests and a store: how to reach it, change it, and inject faults."""

from abc import ABC, abstractmethod

from vipagent.store.backend import Backend, Listener, StoreSettings
from vipagent.store.driver import Driver
from vipagent.store.layout import Directory, Key
from vipagent.store.plugins import backend_factory

MAX_PROPAGATION = 1.0
"""Maximum time in seconds until other sessions see a change, without faults."""
WAIT_TIMEOUT = 15.0
"""Timeout in seconds of conditions for which the contract defines no time."""


class StoreUnderTest(ABC):
    """A store with a new prefix for each test, and a foreign client.

    The foreign client represents other software, such as ExaZK or an operator's shell. It must not use
    the tested backend.
    """

    @abstractmethod
    def backend(self, node: str, instance: str, listener: Listener) -> Backend:
        """Return a new backend on this test's prefix, not opened."""

    @abstractmethod
    def create_foreign(self, key: Key, value: bytes) -> None:
        """Create a live entry held by the foreign client (with an empty `value`, like ExaZK)."""

    @abstractmethod
    def delete(self, key: Key) -> None:
        """Delete an entry, regardless of its holder."""

    @abstractmethod
    def overwrite(self, key: Key, value: bytes) -> None:
        """Change the value of an entry, but not its holder (owner, lease, session, lock)."""

    @abstractmethod
    def write_garbage(self, directory: Directory) -> None:
        """Write all kinds of invalid entries that the store permits into `directory`.

        Names that are not UTF-8, contain control characters, or are very long; deep trees; entries of
        other types. No name may be an IP address.
        """


class SharedStore(StoreUnderTest):
    """A store that several processes can share."""

    factory: type[Driver]
    """The driver class; a child process imports it by name."""
    expiry: float
    """Maximum time in seconds until a killed process's entries expire, with the timeout of `settings`."""

    @abstractmethod
    def settings(self, node: str, instance: str) -> StoreSettings:
        """Return the settings of a session on this test's prefix, with a short session timeout.

        Options must be JSON serializable, because they are passed to a child process.
        """

    def backend(self, node: str, instance: str, listener: Listener) -> Backend:
        """Return a new backend, not opened."""
        return backend_factory(self.factory)(self.settings(node, instance), listener)


class ServedStore(SharedStore):
    """A store with a server.

    After a passed test it is running; after a failed one, the fixture must start it if needed.
    """

    @abstractmethod
    def kill(self) -> None:
        """`kill -9` the server; return when it has exited. Its data must survive."""

    @abstractmethod
    def start(self) -> None:
        """Start the killed server on the same address and data; return when it replies."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze the server with SIGSTOP: connections stay open, without replies."""

    @abstractmethod
    def resume(self) -> None:
        """Continue the server with SIGCONT; return when it replies."""
