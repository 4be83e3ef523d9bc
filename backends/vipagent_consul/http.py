"""py-consul's HTTP client, made anew: one connection, a time-out on every call, and it can be cut.

The library's own has no time-out in the version that Debian 13 ships (a frozen server then holds a call for
ever), can't be interrupted, and lets REQUESTS_CA_BUNDLE, proxies and CONSUL_HTTP_TOKEN in the environment
override what is configured.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from consul.exceptions import ClientError, ConsulException, NotFound

from vipagent.net.tls import refusal
from vipagent.store.backend import StoreError
from vipagent_consul.incoming import Incoming
from vipagent_consul.options import Endpoint

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer: 20,000 entries of a usual size are a quarter of that."""
CHUNK = 64 * 1024

T = TypeVar("T")
Params = Sequence[tuple[str, object]] | None


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


class Response(NamedTuple):
    """An answer, as py-consul's callbacks expect it."""

    code: int
    headers: http.client.HTTPMessage
    body: str


class Request(NamedTuple):
    """What is asked: the target as it stands in the request's first line."""

    method: str
    target: str
    body: bytes | None = None


class Limits(NamedTuple):
    """How long calls may take."""

    timeout: float
    """Seconds for each, all in all; a query that waits has its wait besides."""
    until: float
    """Monotonic seconds at which none may last."""


class Channel:
    """One connection to one server, used by one thread at a time; any thread may cut it for good.

    py-consul calls its methods and takes what they return. The headers that it brings are not sent: depending
    on its version and on the call they have no token, or the environment's.
    """

    def __init__(self, endpoint: Endpoint, token: str, tls: ssl.SSLContext | None, limits: Limits) -> None:
        self.endpoint = endpoint
        self.limits = limits
        self._headers = {"X-Consul-Token": token} if token else {}
        self._connection = _Connection(endpoint, tls)

    def get(
        self,
        callback: Callable[[Response], T],
        path: str,
        params: Params = None,
        connections_timeout: float | None = None,
        **_: object,
    ) -> T:
        """Ask, and return what `callback` makes of the answer."""
        request = Request("GET", _target(path, params))
        return self._call(callback, request, connections_timeout or self.limits.timeout)

    def put(
        self,
        callback: Callable[[Response], T],
        path: str,
        params: Params = None,
        data: str | bytes = "",
        **_: object,
    ) -> T:
        """Write, and return what `callback` makes of the answer."""
        body = data.encode() if isinstance(data, str) else data
        return self._call(callback, Request("PUT", _target(path, params), body), self.limits.timeout)

    def delete(self, callback: Callable[[Response], T], path: str, params: Params = None, **_: object) -> T:
        """Delete, and return what `callback` makes of the answer."""
        return self._call(callback, Request("DELETE", _target(path, params)), self.limits.timeout)

    def cut(self) -> None:
        """End what is in flight, and all that would follow. For any thread."""
        self._connection.cut()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(self, callback: Callable[[Response], T], request: Request, within: float) -> T:
        response = self._exchange(request, within)
        self._judge(request, response)
        try:
            return callback(response)
        except (NotFound, ClientError):
            raise
        except ConsulException as error:
            raise Refused(f"{self.endpoint}: this is no answer of Consul's: {str(error)[:300]!r}") from None

    def _exchange(self, request: Request, within: float) -> Response:
        now = time.monotonic()
        within = max(0.0, min(within, self.limits.until - now))
        self._connection.deadline = now + within
        try:
            self._connection.arm()
            self._connection.request(request.method, request.target, request.body, self._headers)
            answer = self._connection.getresponse()
            return Response(answer.status, answer.headers, self._read(answer))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise NoAnswer(f"{self.endpoint}: {_cause(error, within)}") from error

    def _read(self, answer: http.client.HTTPResponse) -> str:
        body = bytearray()
        while chunk := answer.read(CHUNK):
            body += chunk
            if len(body) > MAX_BODY:
                raise http.client.HTTPException(f"an answer of more than {MAX_BODY} bytes")
        return body.decode(errors="replace")

    def _judge(self, request: Request, response: Response) -> None:
        """Raise what no caller has a use for; 404 and 409 (a transaction's condition) may be one."""
        if response.code in {http.client.OK, http.client.NOT_FOUND, http.client.CONFLICT}:
            return
        said = "".join(char if char.isprintable() else " " for char in response.body[:300]).strip()
        if response.code in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            what = f"{request.method} {request.target.partition('?')[0]}"
            raise Denied(f"{self.endpoint}: Consul denies {what}: {said}", said)
        raise Refused(f"{self.endpoint}: Consul answers {response.code}: {said}", said)


def _target(path: str, params: Params) -> str:
    return quote(path, safe="/:") + (f"?{urlencode(params)}" if params else "")


class _Connection(http.client.HTTPConnection):
    """A connection whose every step ends by a deadline, and which another thread can cut."""

    def __init__(self, endpoint: Endpoint, tls: ssl.SSLContext | None) -> None:
        super().__init__(endpoint.host, endpoint.port)
        self.deadline = 0.0
        """Monotonic seconds by which the present call must be over."""
        self._tls = tls
        self._cut = False
        self.response_class = self._answer  # type: ignore[assignment]

    def arm(self, shares: int = 1) -> None:
        """Give the next step what is left of the call's time.

        Args:
            shares: with how many steps like this one it has to share that.

        Raises:
            TimeoutError: nothing is left.
            ConnectionAbortedError: the connection was cut.
        """
        if self._cut:
            raise ConnectionAbortedError("cut")
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left / shares)

    def connect(self) -> None:
        """Connect to the first of the name's addresses that answers.

        The socket is known to `cut` before anything is waited for.
        """
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        for others, (family, kind, protocol, _, address) in zip(
            range(len(found) - 1, -1, -1), found, strict=True
        ):
            self.sock = socket.socket(family, kind, protocol)
            try:
                self.arm(others + 1)
                self.sock.connect(address)
                break
            except OSError:
                self.sock.close()
                if not others:
                    raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            secure = self._tls.wrap_socket(
                self.sock, server_hostname=self.host, do_handshake_on_connect=False
            )
            self.sock = secure
            self.arm()
            secure.do_handshake()

    def _answer(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        self._incoming = Incoming(sock, self.arm)
        return http.client.HTTPResponse(self._incoming, **options)  # type: ignore[arg-type]

    def getresponse(self) -> http.client.HTTPResponse:
        """Return the answer, its head read."""
        answer = super().getresponse()
        self._incoming.allowed = 2 * MAX_BODY  # the sizes of chunks, too
        return answer

    def cut(self) -> None:
        """Wake whoever waits on the socket, and let nothing follow."""
        self._cut = True  # first: `connect` looks at it after it has made a socket
        if (sock := self.sock) is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's: it is not for two threads


def in_words(error: Exception) -> str:
    """Say for people what went wrong; what is no StoreError is an answer that nobody thought of."""
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"


def _cause(error: Exception, within: float) -> str:
    """Say for people why there was no answer."""
    match error:
        case socket.gaierror():
            return f"its name does not resolve: {error.strerror}"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not accepted: {refusal(error)}"
        case ssl.SSLError():
            return f"TLS fails: {error.reason or error}"
        case TimeoutError():
            return f"no answer within {within:.2g} s"
        case OSError():
            return (error.strerror or str(error) or type(error).__name__).lower()
        case _:
            return f"no proper HTTP answer: {type(error).__name__} {str(error)[:100]}".strip()
