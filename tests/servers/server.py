"""Base classes of the stores' servers, single and in a cluster of three."""

import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from tests.servers.process import Process, wait_for


class Server(ABC):
    """One server. Ports and data are kept between `kill` and `start`."""

    process: Process

    @property
    @abstractmethod
    def address(self) -> str:
        """`HOST:PORT` for clients."""

    @property
    @abstractmethod
    def serves(self) -> bool:
        """Whether it serves clients; in a cluster, with a quorum."""

    @property
    @abstractmethod
    def leads(self) -> bool:
        """Whether it is the leader."""

    def start(self) -> None:
        """Start, and wait until it serves."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start without waiting."""
        self.process.start()

    def wait(self, within: float = 30.0) -> None:
        """Wait until it serves clients."""

        def serving() -> bool:
            assert self.process.running, "the server has exited"
            return self.serves

        try:
            wait_for(f"a server serves at {self.address}", serving, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; its output:\n{self.process.said()}") from None

    def kill(self) -> None:
        """`kill -9`; the data are kept."""
        self.process.kill()

    def restart(self) -> None:
        """`kill -9`, and start again on the same data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it with SIGSTOP: connections stay open, without replies."""
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it with SIGCONT, and wait until it serves."""
        self.process.signal(signal.SIGCONT)
        self.wait()

    def stop(self) -> None:
        """Stop it, even if it is frozen."""
        self.process.kill()


AnyServer = TypeVar("AnyServer", bound=Server)


class Trio(Generic[AnyServer]):
    """A cluster of three servers."""

    def __init__(self, servers: Sequence[AnyServer]) -> None:
        self.servers = list(servers)

    @property
    def hosts(self) -> tuple[str, ...]:
        """`HOST:PORT` of each server for clients."""
        return tuple(server.address for server in self.servers)

    def start(self) -> None:
        """Start all three, and wait until all serve."""
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait()

    def leader(self) -> AnyServer:
        """Wait until there is a leader, and return it."""

        def leading() -> list[AnyServer]:
            return [server for server in self.servers if server.process.running and server.leads]

        return wait_for("one of three servers leads", leading, 30.0)[0]

    def stop(self) -> None:
        """Stop all three."""
        for server in self.servers:
            server.stop()
