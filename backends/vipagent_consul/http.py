"""py-consul's HTTP client over our own: on an asyncio loop, and with a time limit for every call.

The library's own clients have no time limit in the version that Debian 13 ships (a frozen server then holds a
call for ever), and let REQUESTS_CA_BUNDLE, proxies and CONSUL_HTTP_TOKEN in the environment override what is
configured.
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

CALLS = 4
"""Connections for calls; each query that waits has one of its own besides."""
SIGNS_OF_LIFE = ("/v1/agent/check/pass/", "/v1/session/renew/")
"""Calls that do not wait for their turn after registrations: they have a connection more."""
MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer, the sizes of chunks included: 20,000 entries of a usual size are an eighth of that."""
PASSED_ON = {HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}
"""What a caller may have a use for; 409 is a transaction whose condition does not hold."""
TEXTS = errors.TEXTS | {
    Failure.PROTOCOL: "no proper HTTP answer: {cause}",
    Failure.CLOSED: f"{{doubt}}{errors.CLOSED}",
}

T = TypeVar("T")
Params = Sequence[tuple[str, object]] | None
Callback = Callable[[Response], T]


class Channel(HTTPClient):  # type: ignore[misc]  # the library has no types
    """Connections to one server, each made when all others are in use.

    py-consul calls its methods and returns what they return: here, what is to be awaited. The headers that it
    brings are not sent: depending on its version and on the call they have no token, or the environment's.

    Args:
        endpoint: the server's.
        token: for its ACLs; empty: none.
        tls: how to encrypt; None: in the clear.
        timeout: seconds that each call may take; a query has its own.
    """

    def __init__(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None, timeout: float) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self._endpoint = endpoint
        self._headers = {"Host": str(endpoint), **({"X-Consul-Token": token} if token else {})}
        self._tls = tls
        self._timeout = timeout
        self._slots = asyncio.Semaphore(CALLS)
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
        """Ask, and return what `callback` makes of the answer; a query that waits has its own time-out."""
        request = self._request("GET", path, params)
        if connections_timeout is None:
            return await self._call(callback, request)
        return self._result(callback, request, await self._fetch(request, connections_timeout, self._waiting))

    async def put(
        self, callback: Callback[T], path: str, params: Params = None, data: str | bytes = "", **_: object
    ) -> T:
        """Write, and return what `callback` makes of the answer."""
        body = data.encode() if isinstance(data, str) else data
        return await self._call(callback, self._request("PUT", path, params, body))

    def delete(self, *_: object, **__: object) -> object:
        """Refuse: none of our calls is one."""
        raise NotImplementedError

    def post(self, *_: object, **__: object) -> object:
        """Refuse: none of our calls is one."""
        raise NotImplementedError

    def close(self) -> None:
        """Close all connections that are not in use; the others, as soon as they are not."""
        self._is_closed = True
        for client in (*self._calling, *self._waiting):
            client.close()

    def _request(self, method: str, path: str, params: Params, body: bytes | None = None) -> Request:
        target = quote(path, safe="/:") + (f"?{urlencode(params)}" if params else "")
        return Request(method, target, self._headers, body)

    async def _call(self, callback: Callback[T], request: Request) -> T:
        async with self._reserved if request.target.startswith(SIGNS_OF_LIFE) else self._slots:
            response = await self._fetch(request, self._timeout, self._calling)
        return self._result(callback, request, response)

    async def _fetch(self, request: Request, within: float, idle: list[HttpClient]) -> Response:
        client = idle.pop() if idle else HttpClient(self._endpoint, lambda: self._tls)
        try:
            (status, headers), body = await client.fetch(request, within, MAX_ANSWER)
        except OSError as error:
            # why a server refuses TLS is often lost with its connection
            doubt = "TLS fails: " if self._tls is not None and not self._has_answered else ""
            raise Disconnected(explain(error, TEXTS, within=within, doubt=doubt)) from error
        self._has_answered = True
        if self._is_closed:
            client.close()
        idle.append(client)
        names = {name.title(): value for name, value in headers.items()}
        return Response(status, names, body.decode(errors="replace"))

    def _result(self, callback: Callback[T], request: Request, response: Response) -> T:
        if response.code not in PASSED_ON:
            raise _refusal(request, response)
        try:
            return callback(response)
        except (NotFound, ClientError):
            raise
        except ConsulException as error:
            raise Disconnected(f"this is no answer of Consul's: {str(error)[:300]!r}") from None


def _refusal(request: Request, response: Response) -> Disconnected | Refused:
    said = "".join(char if char.isprintable() else " " for char in response.body[:300]).strip()
    if response.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Refused(f"Consul denies {request.method} {request.target.partition('?')[0]}: {said}")
    is_ours = (
        response.code < HTTPStatus.INTERNAL_SERVER_ERROR and response.code != HTTPStatus.TOO_MANY_REQUESTS
    )
    return (Refused if is_ours else Disconnected)(f"Consul answers {response.code}: {said}")
