"""A store under test with a server that can be started, killed and frozen."""

from typing import Generic

from tests.servers.server import AnyServer
from vipagent.testing.store import ServedStore


class OnServer(ServedStore, Generic[AnyServer]):
    """Injects faults into the store's server."""

    server: AnyServer

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.pause()

    def resume(self) -> None:
        self.server.resume()
