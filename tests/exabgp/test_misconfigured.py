"""Every way in which README's quick start can be misconfigured is shown, with what to do, within seconds.

Runs in a separate network namespace.
"""

import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.exabgp.alerts import firing
from tests.exabgp.box import ADDRESS, Box, boxes
from tests.exabgp.lab import agent, is_registered
from tests.exabgp.misconfigurations import (
    FOREIGN_CHECK,
    MISCONFIGURATIONS,
    OWN,
    OWN_IPV6,
    SECOND,
    Misconfiguration,
)
from tests.exabgp.namespace import ip
from tests.servers.process import free_port, wait_for
from vipagent.engine.earlier_runs import SESSION_MARGIN
from vipagent.testing.slowness import allowed

SHOWN_WITHIN = 5.0
"""Maximum time in seconds from the agent's start until it shows a problem."""
STARTED = "started node="
PROBLEM_SAMPLE = re.compile(r'^vipagent_problems\{reason="([\w-]+)"\} [1-9]', re.MULTILINE)


class Node:
    """A load balancer with a misconfiguration."""

    def __init__(self, box: Box, wrong: Misconfiguration) -> None:
        self.box = box
        self.listen = f"{ADDRESS}:{free_port(ADDRESS)}"
        self._wrong = wrong
        self._own = OWN

    def share(self, store: Path) -> None:
        """Use the store of another load balancer, under the same node name."""
        self.box.store = store
        self._own = self._wrong.second_vip or OWN

    def launch(self, directory: Path) -> None:
        """Configure and start it."""
        self.box.configure({"apex": self._service(directory)}, listen=self.listen, **self._wrong.agent)
        if self._wrong.unreadable:
            _give_away(self.box.file, 0o600)
        self.box.launch()

    def get(self, path: str) -> str:
        """Return a page of the agent; empty if it does not answer."""
        connection = http.client.HTTPConnection(self.listen, timeout=allowed(5))
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    def healthz(self) -> dict[str, dict[str, Any]]:
        """Return the problems of `/healthz`, by reason."""
        text = self.get("/healthz")
        problems = json.loads(text)["problems"] if text else []
        return {problem["reason"]: problem for problem in problems}

    def what(self) -> str:
        """Return what `/healthz` says about the problem of the misconfiguration; empty if it has none."""
        return str(self.healthz().get(self._wrong.problem, {"what": ""})["what"])

    def metrics(self) -> set[str]:
        """Return the problems of `/metrics`."""
        return set(PROBLEM_SAMPLE.findall(self.get("/metrics")))

    def page(self) -> set[str]:
        """Return the problems of the status page."""
        connection = http.client.HTTPConnection(self.listen, timeout=allowed(5))
        try:
            connection.request("GET", "/events")
            events = connection.getresponse()
            while not (line := events.readline()).startswith(b"data: "):
                assert line, "the page's events have ended"
        finally:
            connection.close()
        return {problem["reason"] for problem in json.loads(line.removeprefix(b"data: "))["problems"]}

    def status(self) -> set[str]:
        """Return the problems of `vipagent status`, from the node's record in the store."""
        command = agent("status", "--json", "--config", str(self.box.file))
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=allowed(30))
        return {problem["reason"] for service in json.loads(done.stdout) for problem in service["problems"]}

    def registered(self) -> bool:
        """Return whether the node is registered for its VIP, or the IPv6 one if it has two."""
        vip = OWN_IPV6 if "auth_ip" in self._wrong.service else OWN
        return is_registered(self.box.agent_log(), vip)

    def _service(self, directory: Path) -> dict[str, object]:
        shared = {"auth_ip": self._own, "rise": 1, "fall": 1, "interval": 1, "command": "true", "settle": 0}
        service = {**shared, "address_check": True, **self._wrong.service}
        if service["command"] == FOREIGN_CHECK:
            check = directory / "check"
            check.write_text("#!/bin/sh\n")
            _give_away(check, 0o700)
            service["command"] = str(check)
        return service


def _give_away(file: Path, mode: int) -> None:
    """Make a file one that only another user may use."""
    file.chmod(mode)
    shutil.chown(file, "nobody")


@pytest.fixture
def launch(tmp_path: Path, network: None) -> Iterator[Callable[[Misconfiguration], list[Node]]]:
    """Start a load balancer with each ExaBGP, wait for the agents' start, and stop them after the test."""
    stopped = []

    def launched(wrong: Misconfiguration) -> list[Node]:
        for vip in (OWN, SECOND, OWN_IPV6) if wrong.local else ():
            ip("address", "add", vip, "dev", "lo")
        context = boxes(tmp_path, **wrong.settings)
        stopped.append(context)
        nodes = [Node(box, wrong) for box in context.__enter__()]
        for node in nodes[1:] if wrong.copied or wrong.second_vip else ():
            node.share(nodes[0].box.store)
        for node in nodes:
            node.launch(tmp_path)
        for node in nodes:
            node.box.wait_for_log(wrong.log or STARTED)
        return nodes

    yield launched
    for context in stopped:
        context.__exit__(None, None, None)


def by_name(name: str) -> Misconfiguration:
    return next(one for one in MISCONFIGURATIONS if one.name == name)


ALL_SHOW = [one.name for one in MISCONFIGURATIONS if one.problem and not (one.copied or one.second_vip)]
VIEWS: Mapping[str, Callable[[Node], Collection[str]]] = {
    "/healthz": Node.healthz,
    "/metrics": Node.metrics,
    "the page": Node.page,
}


def wait_until_shown(
    node: Node, problem: str, views: Mapping[str, Callable[[Node], Collection[str]]], within: float
) -> None:
    """Wait until each of these views of a node shows a problem."""
    for view, shown in views.items():
        node.box.wait_until(f"{view} shows {problem}", lambda: problem in shown(node), within)  # noqa: B023


@pytest.mark.parametrize("name", ALL_SHOW)
def test_a_misconfiguration_is_shown_with_what_to_do(
    launch: Callable[[Misconfiguration], list[Node]], name: str, tmp_path: Path
) -> None:
    wrong = by_name(name)
    nodes = launch(wrong)
    for node in nodes:
        wait_until_shown(node, wrong.problem, VIEWS, SHOWN_WITHIN)
        node.box.wait_until(f"it says {wrong.says}", lambda: wrong.says in node.what(), SHOWN_WITHIN)  # noqa: B023
    for node in nodes:
        assert node.healthz()[wrong.problem]["do"]
        assert wrong.alert in firing(node.get("/metrics"), tmp_path)
        node.box.wait_until(
            f"it is registered: {wrong.registered}",
            lambda: node.registered() is wrong.registered,  # noqa: B023
        )
        if not wrong.agent:
            wait_for("the status shows it", lambda: wrong.problem in node.status(), SHOWN_WITHIN)  # noqa: B023


@pytest.mark.parametrize("name", [one.name for one in MISCONFIGURATIONS if one.copied])
def test_a_copied_file_is_shown_by_the_node_that_yields(
    launch: Callable[[Misconfiguration], list[Node]], name: str, tmp_path: Path
) -> None:
    wrong = by_name(name)
    nodes = launch(wrong)
    for view, shown in VIEWS.items():
        what = f"{view} of one of them shows {wrong.problem}"
        wait_for(what, lambda: any(wrong.problem in shown(node) for node in nodes), SHOWN_WITHIN)  # noqa: B023
    [yielding] = [node for node in nodes if wrong.problem in node.healthz()]
    assert yielding.healthz()[wrong.problem]["do"]
    assert wrong.alert in firing(yielding.get("/metrics"), tmp_path)


@pytest.mark.parametrize("name", [one.name for one in MISCONFIGURATIONS if one.second_vip])
def test_a_second_agent_of_the_same_name_is_shown_by_both(
    launch: Callable[[Misconfiguration], list[Node]], name: str, tmp_path: Path
) -> None:
    """The host names are the same, so at first it may be an earlier run's registration."""
    wrong = by_name(name)
    nodes = launch(wrong)
    views = {**VIEWS, "the status": Node.status}
    for node in nodes:
        wait_until_shown(node, wrong.problem, views, SHOWN_WITHIN + SESSION_MARGIN)
        assert wrong.alert in firing(node.get("/metrics"), tmp_path)


@pytest.mark.parametrize("name", [one.name for one in MISCONFIGURATIONS if one.log])
def test_an_agent_that_cannot_start_says_why(
    launch: Callable[[Misconfiguration], list[Node]], name: str, tmp_path: Path
) -> None:
    wrong = by_name(name)
    for node in launch(wrong):
        assert str(node.box.file) in node.box.agent_log()
        assert wrong.alert in firing(node.get("/metrics"), tmp_path)
        assert node.box.exabgp.process.running


@pytest.mark.parametrize("name", [one.name for one in MISCONFIGURATIONS if one.harmless])
def test_what_works_is_not_a_problem(
    launch: Callable[[Misconfiguration], list[Node]], name: str, tmp_path: Path
) -> None:
    nodes = launch(by_name(name))
    for node in nodes:
        node.box.wait_until("it is registered", node.registered)
        node.box.wait_until("it has no problem", lambda: node.healthz() == {}, SHOWN_WITHIN)  # noqa: B023
    for node in nodes:
        assert node.metrics() == node.page() == node.status() == set()
        assert firing(node.get("/metrics"), tmp_path) == set()
        assert '"status": "ok"' in node.get("/healthz")
