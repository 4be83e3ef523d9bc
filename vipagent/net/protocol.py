"""HTTP/1.1 client protocol on h11, without I/O: bytes in, bytes and events out."""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

import h11

from vipagent.net.errors import CLOSED, ProtocolError

MAX_HEAD = 64 * 1024
"""Default maximum number of bytes before a response's body, including informational responses (1xx)."""


class Request(NamedTuple):
    """A request."""

    method: str
    target: str
    """Path and query of the request line."""
    headers: Mapping[str, str]
    """Headers, including `Host`; Content-Length is added."""
    body: bytes | None = None


class Head(NamedTuple):
    """Status and headers of the final response."""

    status: int
    headers: Mapping[str, str]
    """Headers by lower-case name."""


class Progress(Enum):
    """State of an exchange."""

    READ = "more bytes are needed"
    END = "the response is complete"


class Protocol:
    """Sequential exchanges of one connection.

    Args:
        max_head: maximum number of bytes before the body of a response.
    """

    def __init__(self, max_head: int = MAX_HEAD) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=max_head)
        self._max_head = max_head
        self._budget = float("inf")
        self._received = 0
        self._has_head = self._ended = False

    @property
    def is_idle(self) -> bool:
        """Whether a new exchange can start: the last one is complete, and no data follows."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        return self._http.our_state is h11.IDLE and not self._http.trailing_data[0]

    def send(self, request: Request, budget: float = float("inf")) -> bytes:
        """Start an exchange, and return the bytes to write.

        Args:
            request: the request.
            budget: maximum number of received bytes, including headers and chunk sizes.
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
        """Process received data; empty data means that the server has closed the connection.

        Raises:
            ProtocolError: the budget is exceeded.
        """
        self._received += len(data)
        if self._received > self._budget:
            raise ProtocolError(f"the response is larger than {self._budget} bytes")
        self._http.receive_data(data)

    def next_event(self) -> Head | bytes | Progress:
        """Return the next part of the response: head, chunk of the body, or end.

        Raises:
            ConnectionResetError: the server has closed the connection early.
            ProtocolError: the response is invalid.
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
            if self._http.trailing_data[1]:  # the server has closed the connection
                raise ConnectionResetError(CLOSED) from None
            raise ProtocolError(str(error)) from None

    def _check_head(self) -> None:
        if not self._has_head and self._received >= self._max_head:
            raise ProtocolError(f"no final status in the first {self._received} bytes of the response")


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
