"""Responses to requests, without sockets."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from http import HTTPStatus

import pytest

from tests.unit.web.views import OWN, PEERS, TAKEN, VIPS, record, report, service, view
from vipagent.core.actions import VipReport
from vipagent.store.layout import Kind
from vipagent.telemetry.problems import problem
from vipagent.telemetry.summary import summarize
from vipagent.telemetry.view import AgentView
from vipagent.types import Reason, StoreState
from vipagent.web.page import load
from vipagent.web.problems import all_problems, own_problems
from vipagent.web.site import PageRequest, PageResponse, Site, local_hosts_only

PATHS = ("/", "/events", "/metrics", "/healthz", "/status.json")


def respond(
    path: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    agent_view: AgentView | None = None,
) -> PageResponse:
    async def ask() -> PageResponse:
        return Site(lambda: agent_view or view()).answer(PageRequest(method, path, headers or {}))

    return asyncio.run(ask())


def test_the_status_has_the_shape_of_vipagent_status_json() -> None:
    response = respond("/status.json")
    assert json.loads(response.body) == json.loads(json.dumps([asdict(service().status)]))


@pytest.mark.parametrize(
    ("ending", "status"), [(False, HTTPStatus.OK), (True, HTTPStatus.SERVICE_UNAVAILABLE)]
)
def test_health_does_not_depend_on_the_store(ending: bool, status: HTTPStatus) -> None:
    """An outage of the store must not cause a restart: the agent would lose its state (L1)."""
    response = respond("/healthz", agent_view=view(ending=ending, store=StoreState.LOST))
    assert response.status is status
    content = json.loads(response.body)
    [problem] = content.pop("problems")
    assert (problem["reason"], problem["node"]) == ("store-lost", "node1")
    assert content == {
        "status": "ending" if ending else "problem",
        "node": "node1",
        "store": "lost",
        "neighbors": 2,
        "services": {"apex": {"check": "up", "announced": 2}},
    }


def test_a_healthy_node_has_no_problems() -> None:
    content = json.loads(respond("/healthz").body)
    assert (content["status"], content["problems"]) == ("ok", [])


def broken_view() -> AgentView:
    """Return the view of a node whose own route is refused, with a neighbour down and another AS number."""
    broken = report({OWN: VipReport(Reason.REFUSED, 0, owned=True), TAKEN: VIPS[TAKEN]})
    apex = service()._replace(report=broken, record=record(broken, local_as=65009))
    faults = {"no-state-directory": "/var/lib/vipagent: No such file or directory", "config-refused": ""}
    return view(apex, peers=(replace(PEERS[0], state="down"), PEERS[1]))._replace(faults=faults)


def test_every_problem_is_listed_with_what_to_do_but_is_no_reason_for_a_restart() -> None:
    response = respond("/healthz", agent_view=broken_view())
    assert response.status is HTTPStatus.OK
    content = json.loads(response.body)
    assert content["status"] == "problem"
    assert content["services"]["apex"]["announced"] == 1
    named = ("reason", "service", "vip", "neighbor")
    assert [tuple(problem[key] for key in named) for problem in content["problems"]] == [
        ("config-refused", None, None, None),
        ("no-state-directory", None, None, None),
        ("refused", "apex", OWN, None),
        ("wrong-local-as", "apex", None, None),
        ("neighbor-down", None, None, PEERS[0].address),
    ]
    assert all(
        problem["what"] and problem["do"] and problem["node"] == "node1" for problem in content["problems"]
    )


def test_the_page_lists_the_problems_of_this_node_once_then_those_of_others() -> None:
    agent_view = broken_view()
    published = replace(
        agent_view.services[0].status,
        problems=(*own_problems(agent_view), problem("check-down", "node2", "apex")),
    )
    apex, other = (agent_view.services[0]._replace(status=published) for _ in range(2))
    shown = all_problems(agent_view._replace(services=(apex, other)))
    assert shown == (*own_problems(agent_view), problem("check-down", "node2", "apex"))


@pytest.mark.parametrize(("reached", "reason"), [(True, "store-lost"), (False, "store-unknown")])
def test_a_store_that_is_away_is_a_problem(reached: bool, reason: str) -> None:
    agent_view = view(store=StoreState.UNSURE)._replace(store_reached=reached)
    [found] = own_problems(agent_view)
    assert (found.reason, found.what.endswith(": here")) == (reason, True)


def test_an_interface_that_is_down_comes_before_the_store_that_it_reaches() -> None:
    down = replace(PEERS[0], state="no-carrier", interface="eth0")
    agent_view = view(store=StoreState.LOST, peers=(PEERS[1], down))
    assert [found.reason for found in own_problems(agent_view)] == ["no-carrier", "store-lost"]
    assert [found.reason for found in all_problems(agent_view)] == ["no-carrier", "store-lost"]
    content = json.loads(respond("/healthz", agent_view=agent_view).body)
    assert content["problems"][0]["what"].endswith(f": {down.address} (AS {down.peer_as}) via eth0")


def test_a_vip_that_nobody_announces_is_a_problem_while_the_store_is_connected() -> None:
    nobody = summarize("apex", {kind: {} for kind in Kind}, [OWN])
    agent_view = view(service()._replace(status=nobody))
    for shown in (own_problems(agent_view), all_problems(agent_view)):
        assert [(found.reason, found.node, found.vip) for found in shown] == [("unserved", None, OWN)]
    away = agent_view._replace(store=StoreState.LOST)
    assert [found.reason for found in all_problems(away)] == ["store-lost"], "the store's contents are old"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
@pytest.mark.parametrize("path", PATHS)
def test_only_get_and_head_are_allowed(method: str, path: str) -> None:
    assert respond(path, method).status is HTTPStatus.METHOD_NOT_ALLOWED


@pytest.mark.parametrize(
    "path", ["/nosuch", "//", "/../etc/passwd", "/page.html", "", "*", "http://x/metrics"]
)
def test_other_paths_are_not_found(path: str) -> None:
    response = respond(path)
    assert response.status is HTTPStatus.NOT_FOUND
    assert response.body == b"not found; valid paths: /, /events, /metrics, /healthz, /status.json\n"


@pytest.mark.parametrize("path", [*PATHS, "/nosuch"])
def test_every_response_has_a_strict_policy(path: str) -> None:
    headers = dict(respond(path).headers)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_page_loads_nothing_else() -> None:
    page = load()
    html = page.html.decode()
    assert "unsafe" not in page.policy
    assert re.findall(r"(?:src|action|srcset)=", html.partition("<body>")[2]) == []
    assert set(re.findall(r"//[a-z0-9.]+", html)) == {"//www.w3.org"}  # an XML namespace, not an address
    assert re.findall(r"innerHTML|insertAdjacentHTML|outerHTML|document\.write|eval\(", html) == []


@pytest.mark.parametrize(
    ("host", "allowed"),
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
def test_only_local_host_names_are_allowed(host: str, allowed: bool) -> None:
    assert local_hosts_only(host) is allowed


def test_a_rejected_host_receives_no_data() -> None:
    async def ask(path: str) -> PageResponse:
        return Site(view, local_hosts_only).answer(PageRequest("GET", path, {"host": "rebound.example"}))

    for path in PATHS:
        response = asyncio.run(ask(path))
        assert response.status is HTTPStatus.FORBIDDEN
        assert b"apex" not in response.body


def test_the_status_server_is_imported_only_if_configured() -> None:
    script = "import sys, vipagent.cli.main, vipagent.cli.run; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not [name for name in loaded.split() if name.startswith(("prometheus_client", "vipagent.web"))]
