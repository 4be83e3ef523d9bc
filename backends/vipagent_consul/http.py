"""py-consul's HTTP client over our own: one connection, a time limit for every call, and it can be cut.

The library's own has no time limit in the version that Debian 13 ships (a frozen server then holds a call for
ever), can't be interrupted, and lets REQUESTS_CA_BUNDLE, proxies and CONSUL_HTTP_TOKEN in the environment
override what is configured.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from consul.base import HTTPClient, Response
from consul.exceptions import ClientError, ConsulException, NotFound

from vipagent.net import errors
from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain
from vipagent.net.http import HttpClient
from vipagent.net.protocol import Request
from vipagent.store.backend import StoreError

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer, the sizes of chunks included: 20,000 entries of a usual size are an eighth of that."""
TEXTS = errors.TEXTS | {
    Failure.PROTOCOL: "no proper HTTP answer: {cause}",
    Failure.CLOSED: f"{{doubt}}{errors.CLOSED}",
}

T = TypeVar("T")
Params = Sequence[tuple[str, object]] | None
Callback = Callable[[Response], T]


class NoAnswer(StoreError):
    """Consul was not reached, or did not answer in time."""


class Refused(StoreError):
    """Consul answered that it can't, or won't."""

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said
        """What Consul said."""


class Denied(Refused):
    """Consul's ACLs forbid it."""


class Limits(NamedTuple):
    """How long calls may take."""

    timeout: float
    """Seconds for each, all in all; a query that waits has its wait besides."""
    until: float
    """Monotonic seconds at which none may last."""


class Channel(HTTPClient):  # type: ignore[misc]  # the library has no types
    """One connection to one server, used by one thread at a time; any thread may cut it for good.

    py-consul calls its methods and takes what they return. The headers that it brings are not sent: depending
    on its version and on the call they have no token, or the environment's. It has an event loop of its own,
    which runs while a call is in flight.
    """

    def __init__(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None, limits: Limits) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self.endpoint = endpoint
        self.limits = limits
        self._headers = {"Host": str(endpoint), **({"X-Consul-Token": token} if token else {})}
        self._encrypts = tls is not None
        self._client = HttpClient(endpoint, lambda: tls)
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._call: asyncio.Task[object] | None = None
        self._is_cut = False

    def get(
        self,
        callback: Callback[T],
        path: str,
        params: Params = None,
        connections_timeout: float | None = None,
        **_: object,
    ) -> T:
        """Ask, and return what `callback` makes of the answer."""
        return self._exchange(callback, self._request("GET", path, params), connections_timeout)

    def put(
        self, callback: Callback[T], path: str, params: Params = None, data: str | bytes = "", **_: object
    ) -> T:
        """Write, and return what `callback` makes of the answer."""
        body = data.encode() if isinstance(data, str) else data
        return self._exchange(callback, self._request("PUT", path, params, body))

    def delete(self, callback: Callback[T], path: str, params: Params = None, **_: object) -> T:
        """Delete, and return what `callback` makes of the answer."""
        return self._exchange(callback, self._request("DELETE", path, params))

    def post(self, *_: object, **__: object) -> object:
        """Refuse: none of our calls is one."""
        raise NotImplementedError

    def cut(self) -> None:
        """End what is in flight, and all that would follow. For any thread."""
        self._is_cut = True
        with suppress(RuntimeError):  # it is closed already
            self._loop.call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
        self._runner.close()

    def _request(self, method: str, path: str, params: Params, body: bytes | None = None) -> Request:
        target = quote(path, safe="/:") + (f"?{urlencode(params)}" if params else "")
        return Request(method, target, self._headers, body)

    def _exchange(self, callback: Callback[T], request: Request, within: float | None = None) -> T:
        left = self.limits.until - time.monotonic()
        response = self._fetch(request, max(0.0, min(within or self.limits.timeout, left)))
        self._judge(request, response)
        try:
            return callback(response)
        except (NotFound, ClientError):
            raise
        except ConsulException as error:
            raise Refused(f"{self.endpoint}: this is no answer of Consul's: {str(error)[:300]!r}") from None

    def _fetch(self, request: Request, within: float) -> Response:
        try:
            return self._runner.run(self._answer(request, within))
        except OSError as error:
            # why a server refuses TLS is often lost with its connection
            doubt = "TLS fails: " if self._encrypts and not self._client.has_answered else ""
            told = explain(error, TEXTS, within=within, doubt=doubt)
            raise NoAnswer(f"{self.endpoint}: {told}") from error
        except asyncio.CancelledError:
            raise NoAnswer(f"{self.endpoint}: cut") from None

    async def _answer(self, request: Request, within: float) -> Response:
        self._call = asyncio.current_task()
        if self._is_cut:
            raise asyncio.CancelledError
        (status, headers), body = await self._client.fetch(request, within, MAX_ANSWER)
        names = {name.title(): value for name, value in headers.items()}
        return Response(status, names, body.decode(errors="replace"))

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _judge(self, request: Request, response: Response) -> None:
        """Raise what no caller has a use for; 404 and 409 (a transaction's condition) may be one."""
        if response.code in {HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}:
            return
        said = "".join(char if char.isprintable() else " " for char in response.body[:300]).strip()
        if response.code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            what = f"{request.method} {request.target.partition('?')[0]}"
            raise Denied(f"{self.endpoint}: Consul denies {what}: {said}", said)
        raise Refused(f"{self.endpoint}: Consul answers {response.code}: {said}", said)


def in_words(error: Exception) -> str:
    """Say for people what went wrong; what is no StoreError is an answer that nobody thought of."""
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
