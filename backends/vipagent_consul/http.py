"""HTTP transport for py-consul on asyncio, with a timeout for every call.

The library's clients have no timeout in Debian 13's version (a call to a frozen server blocks forever), and
REQUESTS_CA_BUNDLE, proxies and CONSUL_HTTP_TOKEN in the environment override the configuration.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode

from consul.base import HTTPClient, Response
from consul.exceptions import ClientError, ConsulException, NotFound

from vipagent.net import errors
from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain
from vipagent.net.http import HttpClient
from vipagent.net.protocol import Request
from vipagent.store.driver import Disconnected, Refused

CALL_CONNECTIONS = 4
"""Number of connections for calls; each blocking query has an additional connection."""
KEEPALIVE_PATHS = ("/v1/agent/check/pass/", "/v1/session/renew/")
"""Calls with an additional connection, so that they are not queued behind registrations."""
MAX_RESPONSE = 64 * 1024 * 1024
"""Maximum size of a response in bytes, including chunk sizes: 20,000 typical entries need an eighth of it."""
ACCEPTED_STATUS = {HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""Status codes for the caller; 409 is a failed transaction."""
CONSUL_TEXTS = errors.TEXTS | {
    Failure.PROTOCOL: "invalid HTTP response: {cause}",
    Failure.CLOSED: f"{{doubt}}{errors.CLOSED}",
}

T = TypeVar("T")
Params = Sequence[tuple[str, object]] | None
Callback = Callable[[Response], T]


class ConsulTransport(HTTPClient):  # type: ignore[misc]  # the library has no types
    """A pool of connections to one server.

    py-consul calls these methods and returns their results, which are awaitable. The headers of py-consul are
    not sent: depending on version and call, they contain no token, or the token of the environment.

    Args:
        endpoint: the server's address.
        token: ACL token; empty: none.
        tls: TLS context; None: no TLS.
        timeout: default timeout in seconds of a call.
    """

    def __init__(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None, timeout: float) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._endpoint = endpoint
        self._headers = {"Host": str(endpoint), **({"X-Consul-Token": token} if token else {})}
        self._tls = tls
        self._timeout = timeout
        self._slots = asyncio.Semaphore(CALL_CONNECTIONS)
        self._reserved = asyncio.Semaphore(1)
        self._calling: list[HttpClient] = []
        self._waiting: list[HttpClient] = []
        self._has_answered = self._is_closed = False

    async def get(
        self,
        callback: Callback[T],
        path: str,
        params: Params = None,
        connections_timeout: float | None = None,
        **_: object,
    ) -> T:
        """Send a GET request, and return `callback`'s result; a blocking query sets its own timeout."""
        request = self._request("GET", path, params)
        if connections_timeout is None:
            return await self._call(callback, request)
        return self._result(callback, request, await self._fetch(request, connections_timeout, self._waiting))

    async def put(
        self, callback: Callback[T], path: str, params: Params = None, data: str | bytes = "", **_: object
    ) -> T:
        """Send a PUT request, and return `callback`'s result."""
        body = data.encode() if isinstance(data, str) else data
        return await self._call(callback, self._request("PUT", path, params, body))

    def delete(self, *_: object, **__: object) -> object:
        """Raise an error: not used by our calls."""
        raise NotImplementedError

    def post(self, *_: object, **__: object) -> object:
        """Raise an error: not used by our calls."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all idle connections; the others when they become idle."""
        self._is_closed = True
        for client in (*self._calling, *self._waiting):
            client.close()

    def _request(self, method: str, path: str, params: Params, body: bytes | None = None) -> Request:
        target = quote(path, safe="/:") + (f"?{urlencode(params)}" if params else "")
        return Request(method, target, self._headers, body)

    async def _call(self, callback: Callback[T], request: Request) -> T:
        async with self._reserved if request.target.startswith(KEEPALIVE_PATHS) else self._slots:
            response = await self._fetch(request, self._timeout, self._calling)
        return self._result(callback, request, response)

    async def _fetch(self, request: Request, within: float, idle: list[HttpClient]) -> Response:
        client = idle.pop() if idle else HttpClient(self._endpoint, lambda: self._tls)
        try:
            (status, headers), body = await client.fetch(request, within, MAX_RESPONSE)
        except OSError as error:
            # the cause of a TLS error is often lost with the connection
            doubt = "TLS failed: " if self._tls is not None and not self._has_answered else ""
            raise Disconnected(explain(error, CONSUL_TEXTS, within=within, doubt=doubt)) from error
        self._has_answered = True
        if self._is_closed:
            client.close()
        idle.append(client)
        names = {name.title(): value for name, value in headers.items()}
        return Response(status, names, body.decode(errors="replace"))

    def _result(self, callback: Callback[T], request: Request, response: Response) -> T:
        if response.code not in ACCEPTED_STATUS:
            raise _refusal(request, response)
        try:
            return callback(response)
        except (NotFound, ClientError):
            raise
        except ConsulException as error:
            raise Disconnected(f"invalid response: {str(error)[:300]!r}") from None


def _refusal(request: Request, response: Response) -> Disconnected | Refused:
    body = "".join(char if char.isprintable() else " " for char in response.body[:300]).strip()
    if response.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused(f"permission denied: {request.method} {request.target.partition('?')[0]}: {body}")
    is_ours = (
        response.code < HTTPStatus.INTERNAL_SERVER_ERROR and response.code != HTTPStatus.TOO_MANY_REQUESTS
    )
    return (Refused if is_ours else Disconnected)(f"HTTP {response.code}: {body}")
