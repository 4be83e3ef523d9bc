"""Routing of read-only requests to responses, without I/O."""

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
from vipagent.web.problems import all_problems
from vipagent.web.stream import Stream

JSON = "application/json"
STRICT_CSP = "default-src 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of everything except the page."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """An HTTP request."""

    method: str
    path: str
    """Path without the query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers by lower-case name; the first one if a name is repeated."""


@dataclass(frozen=True, slots=True)
class PageResponse:
    """An HTTP response with a body or a stream of events."""

    status: HTTPStatus
    content_type: str
    body: bytes = b""
    policy: str = STRICT_CSP
    events: AsyncGenerator[bytes, None] | None = None
    """Stream of events instead of a body."""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return all headers except those for the length of the body."""
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


def plain(status: HTTPStatus, text: str) -> PageResponse:
    """Return a plain text response."""
    return PageResponse(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def allow_any_host(_host: str) -> bool:
    """Allow every `Host`: all clients that reach the address may read."""
    return True


def local_hosts_only(host: str) -> bool:
    """Allow IP addresses and `localhost`, which do not depend on DNS.

    Otherwise any web page in a local browser could read the status, with a host name that is changed
    to 127.0.0.1 (DNS rebinding).
    """
    name = re.sub(":[0-9]*$", "", host)
    try:
        return name.lower() in {"", "localhost"} or bool(ip_address(name.strip("[]")))
    except ValueError:
        return False


class Site:
    """All pages of an agent.

    Args:
        view: returns the current view of the agent.
        is_allowed: returns whether a `Host` header is allowed.
    """

    def __init__(
        self, view: Callable[[], AgentView], is_allowed: Callable[[str], bool] = allow_any_host
    ) -> None:
        self._view = view
        self._is_allowed = is_allowed
        self._page = page.load()
        self._exposition = Exposition(view)
        self.stream = Stream(self._status_json)
        self._routes: Mapping[str, Callable[[PageRequest], PageResponse]] = {
            "/": self._show_page,
            "/events": self._follow,
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/status.json": self._status,
        }

    def answer(self, request: PageRequest) -> PageResponse:
        """Return the response to a request."""
        if not self._is_allowed(request.headers.get("host", "")):
            return plain(HTTPStatus.FORBIDDEN, "unexpected Host header: use an IP address or localhost")
        if request.method not in {"GET", "HEAD"}:
            return plain(HTTPStatus.METHOD_NOT_ALLOWED, "read-only: only GET and HEAD are allowed")
        answer = self._routes.get(request.path)
        if answer is None:
            return plain(HTTPStatus.NOT_FOUND, f"not found; valid paths: {', '.join(self._routes)}")
        return answer(request)

    def _show_page(self, _request: PageRequest) -> PageResponse:
        return PageResponse(HTTPStatus.OK, "text/html; charset=utf-8", self._page.html, self._page.policy)

    def _follow(self, _request: PageRequest) -> PageResponse:
        if self.stream.full:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many viewers")
        return PageResponse(HTTPStatus.OK, "text/event-stream", events=self.stream.events())

    def _metrics(self, request: PageRequest) -> PageResponse:
        content_type, body = self._exposition.render(request.headers.get("accept", ""))
        return PageResponse(HTTPStatus.OK, content_type, body)

    def _healthz(self, _request: PageRequest) -> PageResponse:
        status, body = health(self._view())
        return PageResponse(status, JSON, body)

    def _status(self, _request: PageRequest) -> PageResponse:
        services = [asdict(service.status) for service in self._view().services]
        return PageResponse(HTTPStatus.OK, JSON, json.dumps(services, indent=2).encode() + b"\n")

    def _status_json(self) -> str:
        """Return the data of the page: the services as in `/status.json`, the node, and all problems."""
        view = self._view()
        return json.dumps(
            {
                "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "node": view.node,
                "store": view.store,
                "store_detail": view.store_detail,
                "problems": [asdict(found) for found in all_problems(view)],
                "services": [asdict(service.status) for service in view.services],
            }
        )
