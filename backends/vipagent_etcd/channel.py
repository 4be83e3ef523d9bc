"""One HTTP connection with one server, as etcd's JSON gateway uses it: messages, and errors in words."""

import json
import random
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from vipagent.net.endpoint import Endpoint
from vipagent.net.errors import Failure, explain, failure
from vipagent.net.http import HttpClient, Tls
from vipagent.net.protocol import Request
from vipagent.net.resolver import Address
from vipagent_etcd.errors import TEXTS, Refused, Silent, Unreachable, explanation, refusal
from vipagent_etcd.keyvalues import Message

OK = 200
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer, or of one message of a stream: what is longer cannot be read."""
DOUBTS = {
    False: "does it want TLS?",
    True: "does it speak TLS, and does it want a certificate of ours (certfile, keyfile), or another one?",
}
"""What a server may mean that closes a connection before it has ever answered."""


class Channel(HttpClient):
    """Requests, one after the other; the first one, and the first after a failure, opens the connection."""

    def __init__(self, server: Endpoint, tls: Tls, encrypts: bool) -> None:
        """Prepare; nothing is connected.

        Args:
            server: which one.
            tls: returns the context; None: in the clear.
            encrypts: whether there will be one.
        """
        super().__init__(server, tls, _shuffled)
        self._encrypts = encrypts

    async def post(
        self,
        path: str,
        message: Message,
        headers: Mapping[str, str],
        within: float,
        silence: str = "no answer",
    ) -> Message:
        """Send a request, and return the answer; of a method that streams, its first message.

        Args:
            path: of the method.
            message: the request's.
            headers: of HTTP.
            within: seconds for all of it.
            silence: what to say when they are over.

        Raises:
            Silent: no answer in time.
            Unreachable: no answer of etcd's.
            Refused: etcd's refusal.
        """
        with self._explaining(within, silence):
            request = self._request(path, json.dumps(message).encode(), headers)
            answer = await self.fetch(request, within, LARGEST_ANSWER)
        if not answer.body:
            raise Unreachable("an empty answer")
        return read_message(answer.head.status, answer.body.partition(b"\n")[0])

    async def stream(
        self, path: str, messages: Sequence[Message], headers: Mapping[str, str], within: float
    ) -> AsyncGenerator[Message, None]:
        """Send requests at once, and yield the answer's messages; how long to wait for each is the caller's.

        Args and errors are those of `post`, but the time is that until the answer begins.
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
                    if len(unread) > LARGEST_ANSWER:
                        raise Unreachable(f"an answer of more than {LARGEST_ANSWER} bytes")
        if unread:
            yield read_message(head.status, bytes(unread))

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> Request:
        return Request("POST", path, {"Host": str(self.server), **headers}, body)

    @contextmanager
    def _explaining(self, within: float, silence: str = "no answer") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            doubt = "" if self.has_answered else f": {DOUBTS[self._encrypts]}"
            told = explain(error, TEXTS, within=within, silence=silence, doubt=doubt)
            raise (Silent if failure(error) is Failure.TIMEOUT else Unreachable)(told) from error


def _shuffled(addresses: Sequence[Address]) -> Sequence[Address]:
    """Return a name's addresses in any order: agents spread, and none sticks to one that does not answer."""
    return random.sample(addresses, len(addresses))


def read_message(status: int, line: bytes) -> Message:
    """Read a message.

    Raises:
        Refused: it is a refusal.
        Unreachable: it is nothing of etcd's, or the server cannot serve now.
    """
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        if told := explanation(line.decode(errors="replace")):
            raise Refused(told, 0)
        raise Unreachable(f"HTTP {status} and no JSON: is this a client port of etcd 3.4 or later?")
    if status == OK and "error" not in said:
        result = said.get("result", said)
        return result if isinstance(result, dict) else {}
    raise _error(said)


def _error(said: Message) -> Exception:
    """Read an error: of a request {error, message, code}, of a stream {error: {message, grpc_code}}."""
    error = said.get("error")
    told: Message = error if isinstance(error, dict) else said
    code = told.get("grpc_code", told.get("code"))
    return refusal(str(told.get("message") or error or said), code if type(code) is int else 0)
