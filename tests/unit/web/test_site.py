"""Responses to requests."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus

import pytest

from tests.unit.web.views import service, view
from vipagent.telemetry.view import AgentView
from vipagent.types import StoreState
from vipagent.web.page import load
from vipagent.web.site import PageRequest, PageResponse, Site, local_hosts_only

PATHS = ("/", "/events", "/metrics", "/healthz", "/status.json")


def answered(
    path: str, method: str = "GET", headers: Mapping[str, str] | None = None, seen: AgentView | None = None
) -> PageResponse:
    async def ask() -> PageResponse:
        return Site(lambda: seen or view()).answer(PageRequest(method, path, headers or {}))

    return asyncio.run(ask())


def test_the_status_has_the_shape_of_vipagent_status_json() -> None:
    response = answered("/status.json")
    assert json.loads(response.body) == json.loads(json.dumps([asdict(service().status)]))


@pytest.mark.parametrize(
    ("ending", "status"), [(False, HTTPStatus.OK), (True, HTTPStatus.SERVICE_UNAVAILABLE)]
)
def test_health_is_the_agent_s_own(ending: bool, status: HTTPStatus) -> None:
    """A restart during a store outage would lose the agent's knowledge of the members (L1)."""
    response = answered("/healthz", seen=view(ending=ending, store=StoreState.LOST))
    assert response.status is status
    assert json.loads(response.body) == {
        "status": "ending" if ending else "ok",
        "node": "node1",
        "store": "lost",
        "neighbors": 2,
        "services": {"apex": {"check": "up", "announced": 2}},
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_changed(method: str, path: str) -> None:
    assert answered(path, method).status is HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "path", ["/nosuch", "//", "/../etc/passwd", "/page.html", "", "*", "http://x/metrics"]
)
def test_other_paths_are_not_found(path: str) -> None:
    response = answered(path)
    assert response.status is HTTPStatus.NOT_FOUND
    assert response.body == b"not found; valid paths: /, /events, /metrics, /healthz, /status.json\n"


@pytest.mark.parametrize("path", [*PATHS, "/nosuch"])
def test_every_response_has_a_strict_policy(path: str) -> None:
    headers = dict(answered(path).headers)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_page_needs_nothing_but_itself() -> None:
    page = load()
    html = page.html.decode()
    assert "unsafe" not in page.policy
    assert re.findall(r"(?:src|action|srcset)=", html.partition("<body>")[2]) == []
    assert set(re.findall(r"//[a-z0-9.]+", html)) == {"//www.w3.org"}  # an XML namespace, not an address
    assert re.findall(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|eval\(", html) == []


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("127.0.0.1:9100", True),
        ("127.0.0.1", True),
        ("[::1]:9100", True),
        ("[::1]", True),
        ("localhost:9100", True),
        ("LOCALHOST", True),
        ("", True),
        ("rebound.example:9100", False),
        ("localhost.rebound.example", False),
        ("127.0.0.1.rebound.example:9100", False),
        ("[rebound.example]", False),
    ],
)
def test_a_loopback_address_is_known_by_no_other_name(host: str, welcome: bool) -> None:
    assert local_hosts_only(host) is welcome


def test_a_rejected_host_learns_nothing() -> None:
    async def ask(path: str) -> PageResponse:
        return Site(view, local_hosts_only).answer(PageRequest("GET", path, {"host": "rebound.example"}))

    for path in PATHS:
        response = asyncio.run(ask(path))
        assert response.status is HTTPStatus.FORBIDDEN
        assert b"apex" not in response.body


def test_nothing_of_it_is_imported_unless_asked_for() -> None:
    script = "import sys, vipagent.cli.main, vipagent.cli.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not [name for name in loaded.split() if name.startswith(("prometheus_client", "vipagent.web"))]
