"""What is answered to which request: no I/O. Nothing can be changed here, whoever asks."""

import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address

from vipagent.telemetry.view import AgentView
from vipagent.web import page
from vipagent.web.exposition import Exposition
from vipagent.web.health import health
from vipagent.web.stream import Stream

JSON = "application/json"
STRICT = "default-src 'none'; frame-ancestors 'none'"
"""The policy of everything but the page."""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks for."""

    method: str
    path: str
    """Without its query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case; the first of several of a name."""


@dataclass(frozen=True, slots=True)
class Response:
    """What they get: a body, or events."""

    status: HTTPStatus
    content_type: str
    body: bytes = b""
    policy: str = STRICT
    events: AsyncGenerator[bytes, None] | None = None
    """What follows instead of a body."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return all headers but the one that says where the body ends."""
        return [
            ("Content-Type", self.content_type),
            ("Content-Security-Policy", self.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ]


def plain(status: HTTPStatus, text: str) -> Response:
    """Return an answer for people."""
    return Response(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def anybody(_host: str) -> bool:
    """Welcome everybody: whoever reaches the address may read."""
    return True


def locals_only(host: str) -> bool:
    """Welcome who names an IP address, or localhost: then no DNS server has had a say in where that is.

    A loopback address is reached by every web page that this machine's browsers show: by a name of its own
    that suddenly means 127.0.0.1 (DNS rebinding) it could read what is shown here.
    """
    name = re.sub(":[0-9]*$", "", host)
    try:
        return name.lower() in {"", "localhost"} or bool(ip_address(name.strip("[]")))
    except ValueError:
        return False


class Site:
    """Everything that an agent shows.

    Args:
        view: returns what there is to see of the agent now.
        welcome: says whether a request with this `Host` header is answered.
    """

    def __init__(self, view: Callable[[], AgentView], welcome: Callable[[str], bool] = anybody) -> None:
        self._view = view
        self._welcome = welcome
        self._page = page.load()
        self._exposition = Exposition(view)
        self.stream = Stream(self._picture)
        self._answers: Mapping[str, Callable[[Request], Response]] = {
            "/": self._show_page,
            "/events": self._follow,
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/status.json": self._status,
        }

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        if not self._welcome(request.headers.get("host", "")):
            return plain(HTTPStatus.FORBIDDEN, "this address is to be named by its number, or as localhost")
        if request.method not in {"GET", "HEAD"}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "only to be read: GET or HEAD")
        answer = self._answers.get(request.path)
        if answer is None:
            return plain(HTTPStatus.NOT_FOUND, f"there are {', '.join(self._answers)}")
        return answer(request)

    def _show_page(self, _request: Request) -> Response:
        return Response(HTTPStatus.OK, "text/html; charset=utf-8", self._page.html, self._page.policy)

    def _follow(self, _request: Request) -> Response:
        if self.stream.full:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many are looking already")
        return Response(HTTPStatus.OK, "text/event-stream", events=self.stream.events())

    def _metrics(self, request: Request) -> Response:
        content_type, body = self._exposition.render(request.headers.get("accept", ""))
        return Response(HTTPStatus.OK, content_type, body)

    def _healthz(self, _request: Request) -> Response:
        status, body = health(self._view())
        return Response(status, JSON, body)

    def _status(self, _request: Request) -> Response:
        services = [asdict(service.status) for service in self._view().services]
        return Response(HTTPStatus.OK, JSON, json.dumps(services, indent=2).encode() + b"\n")

    def _picture(self) -> str:
        """Return what the page draws: the services as in `/status.json`, and who shows them."""
        view = self._view()
        return json.dumps(
            {
                "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "node": view.node,
                "store": view.store,
                "store_detail": view.store_detail,
                "services": [asdict(service.status) for service in view.services],
            }
        )
