"""Listens for HTTP on the agent's own loop; without a thread, and never in the way of anything else (E6)."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from vipagent.net import backoff
from vipagent.net.endpoint import Endpoint
from vipagent.telemetry.view import AgentView
from vipagent.web.connection import LARGEST_HEAD, Connection
from vipagent.web.site import Site, anybody, locals_only

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 64
"""At once; more are closed as they come."""
RETRY_MIN, RETRY_MAX = 1.0, 60.0
"""Seconds before another try to listen: the first time, and at most."""


class Server:
    """Serves an agent's site.

    Args:
        settings: where to listen.
        view: returns what there is to see of the agent now.
    """

    def __init__(self, settings: Endpoint, view: Callable[[], AgentView]) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        local = ip_address(settings.host).is_loopback
        self._site = Site(view, locals_only if local else anybody)
        self._listening = self._loop.create_task(self._listen())
        self._connections: set[asyncio.Task[None]] = set()

    def change(self) -> None:
        """Tell whoever looks on that there is something new."""
        self._site.stream.change()

    def close(self) -> None:
        """Stop listening, and end all connections."""
        self._listening.cancel()
        for connection in self._connections:
            connection.cancel()

    async def _listen(self) -> None:
        """Listen as soon as the port is free, and until cancelled."""
        failures = 0
        at = {"address": self._settings.host, "port": self._settings.port}
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, sock=_socket(self._settings), limit=LARGEST_HEAD
                )
            except OSError as error:
                failures += 1
                delay = backoff.delay(failures, RETRY_MIN, RETRY_MAX)
                fields = {**at, "error": os.strerror(error.errno or 0), "again": f"in {delay:.1f} s"}
                log.error("cannot listen", extra={"fields": fields})
                await asyncio.sleep(delay)
            else:
                log.info("listening", extra={"fields": at})
                async with server:
                    await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await Connection(reader, writer).serve(self._site.answer)
        except Exception:  # the agent goes on (E6)
            log.exception("internal error")
        finally:
            self._connections.discard(task)


def _socket(settings: Endpoint) -> socket.socket:
    """Return a bound socket; `[::]` has IPv4, too, as everybody expects of it.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    both = settings.host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((settings.host, settings.port), family=family, dualstack_ipv6=both)
