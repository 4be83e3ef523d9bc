"""A store under test whose server the tests start, kill and freeze."""

from typing import Generic

from tests.servers.server import AnyServer
from vipagent.testing.store import ServedStore


class OnServer(ServedStore, Generic[AnyServer]):
    """What befalls the store befalls its server."""

    server: AnyServer

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        self.server.start()

    def pause(self) -> None:
        self.server.pause()

    def resume(self) -> None:
        self.server.resume()
