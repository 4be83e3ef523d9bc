"""An HTTP client for tests, based on the standard library."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from vipagent.testing.slowness import allowed


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


def get(
    port: int,
    path: str,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    host: str = "127.0.0.1",
) -> Answer:
    """Send a request, and read the complete response."""
    connection = http.client.HTTPConnection(host, port, timeout=allowed(20))
    try:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read().decode())
    finally:
        connection.close()
