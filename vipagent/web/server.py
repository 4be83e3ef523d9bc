"""Listens for HTTP on the agent's event loop; errors do not affect the agent (E6)."""

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
from vipagent.web.connection import MAX_REQUEST_HEAD, ClientConnection
from vipagent.web.site import Site, allow_any_host, local_hosts_only

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""Maximum number of concurrent connections; further ones are closed."""
MIN_RETRY_DELAY, MAX_RETRY_DELAY = 1.0, 60.0
"""Initial and maximum retry delay in seconds for listening."""


class Server:
    """Serves the site of an agent.

    Args:
        settings: where to listen.
        view: returns the current view of the agent.
    """

    def __init__(self, settings: Endpoint, view: Callable[[], AgentView]) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        local = ip_address(settings.host).is_loopback
        self._site = Site(view, local_hosts_only if local else allow_any_host)
        self._listening = self._loop.create_task(self._listen())
        self._connections: set[asyncio.Task[None]] = set()

    def change(self) -> None:
        """Notify viewers of a change."""
        self._site.stream.change()

    def close(self) -> None:
        """Stop listening, and close all connections."""
        self._listening.cancel()
        for connection in self._connections:
            connection.cancel()

    async def _listen(self) -> None:
        """Listen until cancelled, with retries while the port is in use."""
        failures = 0
        at = {"address": self._settings.host, "port": self._settings.port}
        while True:
            try:
                server = await asyncio.start_server(
                    self._serve, sock=_socket(self._settings), limit=MAX_REQUEST_HEAD
                )
            except OSError as error:
                failures += 1
                delay = backoff.delay(failures, MIN_RETRY_DELAY, MAX_RETRY_DELAY)
                fields = {**at, "error": os.strerror(error.errno or 0), "again": f"in {delay:.1f} s"}
                log.error("cannot listen", extra={"fields": fields})
                await asyncio.sleep(delay)
            else:
                log.info("listening", extra={"fields": at})
                async with server:
                    await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await ClientConnection(reader, writer).serve(self._site.answer)
        except Exception:  # the agent continues (E6)
            log.exception("internal error")
        finally:
            self._connections.discard(task)


def _socket(settings: Endpoint) -> socket.socket:
    """Return a bound socket; `[::]` includes IPv4.

    Raises:
        OSError: the port is in use, or the address is not local.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    both = settings.host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server((settings.host, settings.port), family=family, dualstack_ipv6=both)
