"""What a backend's author tells the contract suite about the store: how to reach it, disturb it, break it."""

from abc import ABC, abstractmethod

from vipagent.store.backend import Backend, Listener, StoreSettings
from vipagent.store.driver import Driver
from vipagent.store.layout import Directory, Key
from vipagent.store.plugins import backend_factory

NOTICE = 1.0
"""Seconds within which a change must have reached the other sessions of a store that is well."""
PATIENCE = 15.0
"""Seconds after which the suite gives up where the contract names no time."""


class StoreUnderTest(ABC):
    """A store, with a prefix that is fresh for each test, and a foreign client of it.

    The foreign client stands for everything that is not this project's: ExaZK, an operator's shell, a bug.
    It must not go through the backend that is tested.
    """

    @abstractmethod
    def backend(self, node: str, instance: str, listener: Listener) -> Backend:
        """Return a new backend on this test's prefix, not opened."""

    @abstractmethod
    def plant(self, key: Key, value: bytes) -> None:
        """Make a live entry that the foreign client holds (as ExaZK's agent would, for an empty `value`)."""

    @abstractmethod
    def uproot(self, key: Key) -> None:
        """Remove an entry, whoever holds it."""

    @abstractmethod
    def overwrite(self, key: Key, value: bytes) -> None:
        """Write the value of an entry that is there; its holder (owner, lease, session, lock) stays."""

    @abstractmethod
    def litter(self, directory: Directory) -> None:
        """Put into `directory` all that the store allows and no agent would write.

        Names that are not UTF-8, that have control characters, or that are very long; deep trees; entries of
        other types. None of it may be named as an IP address.
        """


class SharedStore(StoreUnderTest):
    """A store that several processes can use at once."""

    factory: type[Driver]
    """The driver's class; a child process imports it by its name."""
    vanishing: float
    """Seconds within which a killed process's entries must be gone, at the session time-out of `settings`."""

    @abstractmethod
    def settings(self, node: str, instance: str) -> StoreSettings:
        """Return the settings of a session on this test's prefix, with a short session time-out.

        Options must survive JSON: a child process gets them that way.
        """

    def backend(self, node: str, instance: str, listener: Listener) -> Backend:
        """Return a new backend, not opened."""
        return backend_factory(self.factory)(self.settings(node, instance), listener)


class ServedStore(SharedStore):
    """A store with a server.

    A test that passes leaves it running; after one that fails, the fixture has to see to it.
    """

    @abstractmethod
    def kill(self) -> None:
        """`kill -9` the server; return when it is dead. Its data must survive."""

    @abstractmethod
    def start(self) -> None:
        """Start the killed server on the same address and data; return when it answers."""

    @abstractmethod
    def pause(self) -> None:
        """Stop the server with SIGSTOP: connections stay open, nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Thaw the server with SIGCONT; return when it answers."""
