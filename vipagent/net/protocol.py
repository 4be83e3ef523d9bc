"""HTTP/1.1 as a client speaks it, exchange by exchange, on h11: bytes in, bytes and events out, no I/O."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

import h11

from vipagent.net.errors import CLOSED, ProtocolError

MAX_HEAD = 64 * 1024
"""Bytes before an answer's body, informational answers (1xx) included."""


class Request(NamedTuple):
    """What is asked."""

    method: str
    target: str
    """Path and query, as they stand in the request's first line."""
    headers: Mapping[str, str]
    """With `Host`; the body's length is added."""
    body: bytes | None = None


class Head(NamedTuple):
    """The final answer to a request, but for its body."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""


class Progress(Enum):
    """What else there is to say of an exchange."""

    READ = "more bytes are needed"
    END = "the answer is complete"


class Protocol:
    """One connection's exchanges, one after the other.

    Args:
        max_head: bytes that may come before an answer's body.
    """

    def __init__(self, max_head: int = MAX_HEAD) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=max_head)
        self._max_head = max_head
        self._budget = float("inf")
        self._received = 0
        self._has_head = self._ended = False

    @property
    def is_idle(self) -> bool:
        """Whether another exchange may begin: the last is complete, and nothing came after it."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return self._http.our_state is h11.IDLE and not self._http.trailing_data[0]

    def send(self, request: Request, budget: float = float("inf")) -> bytes:
        """Begin an exchange, and return the bytes to write.

        Args:
            request: with what.
            budget: bytes that may be received for it in all, heads and the sizes of chunks included.
        """
        self._budget, self._received = budget, 0
        self._has_head = self._ended = False
        headers = dict(request.headers)
        if request.body is not None:
            headers["Content-Length"] = str(len(request.body))
        head = h11.Request(method=request.method, target=request.target, headers=list(headers.items()))
        events = (head, h11.Data(request.body or b""), h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    def receive(self, data: bytes) -> None:
        """Take what was read; nothing at all: the server has closed the connection.

        Raises:
            ProtocolError: it is over the budget.
        """
        self._received += len(data)
        if self._received > self._budget:
            raise ProtocolError(f"an answer of more than {self._budget} bytes")
        self._http.receive_data(data)

    def next_event(self) -> Head | bytes | Progress:
        """Return the next of the answer's parts: its head, pieces of its body, its end.

        Raises:
            ConnectionResetError: the server has closed the connection before the end.
            ProtocolError: there is no proper answer.
        """
        while not self._ended:
            match self._event():
                case h11.Response() as answer:
                    self._has_head = True
                    return Head(answer.status_code, _texts(answer.headers))
                case h11.Data() as piece:
                    return bytes(piece.data)
                case h11.EndOfMessage():
                    self._ended = True
                case h11.NEED_DATA:
                    self._check_head()
                    return Progress.READ
                case h11.InformationalResponse():
                    pass
                case _:
                    raise ConnectionResetError(CLOSED)
        return Progress.END

    def _event(self) -> object:
        try:
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            if self._http.trailing_data[1]:  # its last word was the connection's end
                raise ConnectionResetError(CLOSED) from None
            raise ProtocolError(str(error)) from None

    def _check_head(self) -> None:
        if not self._has_head and self._received >= self._max_head:
            raise ProtocolError(f"no final status in the first {self._received} bytes of the answer")


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
