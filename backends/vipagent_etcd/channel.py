"""One HTTP connection to the JSON gateway of one server: messages and error texts."""

import json
import random
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain, failure
from vipagent.net.http import HttpClient, Tls
from vipagent.net.protocol import Request
from vipagent.net.resolver import Address
from vipagent_etcd.errors import ETCD_TEXTS, EtcdRefused, ResponseTimeout, Unreachable, explanation, refusal
from vipagent_etcd.keyvalues import Message

OK = 200
MAX_RESPONSE = 64 * 1024 * 1024
"""Maximum size in bytes of a response, or of one message of a stream."""
CLOSED_HINTS = {
    False: "does the server require TLS?",
    True: "does it support TLS, and require a client certificate (certfile, keyfile), or a different one?",
}
"""Possible cause if a server closes a connection before its first response; key: TLS is used."""


class GatewayConnection(HttpClient):
    """Sequential requests; the first one, and the first after a failure, opens the connection."""

    def __init__(self, server: Endpoint, tls: Tls, encrypts: bool) -> None:
        """Initialize, without connecting.

        Args:
            server: the server.
            tls: returns the TLS context; None: no TLS.
            encrypts: whether TLS is used.
        """
        super().__init__(server, tls, _shuffled)
        self._encrypts = encrypts

    async def post(
        self,
        path: str,
        message: Message,
        headers: Mapping[str, str],
        within: float,
        timeout_message: str = "no response",
    ) -> Message:
        """Send a request, and return the response; for a streaming method, its first message.

        Args:
            path: path of the method.
            message: message of the request.
            headers: HTTP headers.
            within: timeout in seconds.
            timeout_message: beginning of the error text after the timeout.

        Raises:
            ResponseTimeout: no response in time.
            Unreachable: no valid response.
            EtcdRefused: etcd rejected the request.
        """
        with self._explaining(within, timeout_message):
            request = self._request(path, json.dumps(message).encode(), headers)
            answer = await self.fetch(request, within, MAX_RESPONSE)
        if not answer.body:
            raise Unreachable("the response is empty")
        return read_message(answer.head.status, answer.body.partition(b"\n")[0])

    async def stream(
        self, path: str, messages: Sequence[Message], headers: Mapping[str, str], within: float
    ) -> AsyncGenerator[Message, None]:
        """Send requests together, and yield the messages of the response; the caller sets their timeout.

        Args and errors: see `post`; the timeout applies until the response begins.
        """
        unread = bytearray()
        with self._explaining(within):
            body = b"\n".join(json.dumps(message).encode() for message in messages)
            head = await self.begin(self._request(path, body, headers), within)
            async with aclosing(self.pieces()) as pieces:
                async for piece in pieces:
                    *lines, rest = piece.split(b"\n")
                    for line in lines:
                        yield read_message(head.status, bytes(unread) + line)
                        unread.clear()
                    unread += rest
                    if len(unread) > MAX_RESPONSE:
                        raise Unreachable(f"the response is larger than {MAX_RESPONSE} bytes")
        if unread:
            yield read_message(head.status, bytes(unread))

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Request:
        return Request("POST", path, {"Host": str(self.server), **headers}, body)

    @contextmanager
    def _explaining(self, within: float, timeout_message: str = "no response") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "" if self.has_answered else f": {CLOSED_HINTS[self._encrypts]}"
            text = explain(error, ETCD_TEXTS, within=within, timeout_message=timeout_message, hint=hint)
            raise (ResponseTimeout if failure(error) is Failure.TIMEOUT else Unreachable)(text) from error


def _shuffled(addresses: Sequence[Address]) -> Sequence[Address]:
    """Return the addresses in random order, to spread agents and to avoid an unresponsive one."""
    return random.sample(addresses, len(addresses))


def read_message(status: int, line: bytes) -> Message:
    """Parse a message.

    Raises:
        EtcdRefused: the message is an error.
        Unreachable: the message is not etcd's, or the server is unavailable.
    """
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        if text := explanation(line.decode(errors="replace")):
            raise EtcdRefused(text, 0)
        raise Unreachable(f"HTTP {status} without JSON: is this a client port of etcd 3.4 or later?")
    if status == OK and "error" not in parsed:
        result = parsed.get("result", parsed)
        return result if isinstance(result, dict) else {}
    raise _error(parsed)


def _error(parsed: Message) -> Exception:
    """Parse an error: {error, message, code} of a request, {error: {message, grpc_code}} of a stream."""
    error = parsed.get("error")
    fields: Message = error if isinstance(error, dict) else parsed
    code = fields.get("grpc_code", fields.get("code"))
    return refusal(str(fields.get("message") or error or parsed), code if type(code) is int else 0)
