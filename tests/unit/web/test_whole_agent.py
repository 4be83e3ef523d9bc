"""A complete agent with `listen`: memory, reloads, and errors of the HTTP server."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import free_port, wait_for
from tests.unit.web.agent_process import AgentProcess, key
from vipagent.store.layout import WHOLE_SERVICE, Kind
from vipagent.store.records import Maintenance
from vipagent.testing import growth

MOST_MEMORY = 40 * 1024
"""Maximum memory in KiB, as documented for `--listen`."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(tmp_path)
    agent.start()
    agent.wait()
    yield agent
    assert agent.stop() == 0, agent.log_text()


def metric(agent: AgentProcess, line: str) -> float:
    (found,) = [shown for shown in agent.get("/metrics").body.splitlines() if shown.startswith(line + " ")]
    return float(found.rpartition(" ")[2])


def test_a_thousand_scrapes_leave_it_as_small_as_it_was(agent: AgentProcess) -> None:
    registered = 'vipagent_vip_registered{service="apex",vip="10.0.0.1"}'
    wait_for("it has opened all of its connections", lambda: metric(agent, registered) == 1, 20.0)

    def scrape() -> None:
        for _ in range(100):
            assert agent.get("/metrics").status == 200

    scrape()
    memory, opened = growth.read(
        scrape, lambda: growth.resident(agent.pid), lambda: growth.descriptors(agent.pid)
    )
    growth.check("KiB of memory", memory, 100)
    growth.check("descriptors", opened, 0.5)
    assert max(memory) < MOST_MEMORY


def test_it_shows_all_nodes_from_the_store(agent: AgentProcess) -> None:
    operator = agent.operator()
    operator.write(key(Kind.MAINTENANCE, WHOLE_SERVICE), Maintenance("upgrade", "me", "").dump(), 5.0)
    maintained = 'vipagent_maintenance{scope="service",service="apex"}'
    wait_for("the metric is 1", lambda: metric(agent, maintained) == 1)
    (apex,) = json.loads(agent.get("/status.json").body)
    assert apex["maintenance"] == {"reason": "upgrade", "by": "me", "since": "", "now": False}
    assert [node["node"] for node in apex["nodes"]] == ["node1"]
    operator.erase(key(Kind.MAINTENANCE, WHOLE_SERVICE), 5.0)
    wait_for("it is over", lambda: metric(agent, maintained) == 0)
    operator.close(5.0)


def test_a_reload_moves_it_closes_it_and_opens_it_again(agent: AgentProcess) -> None:
    def reload(listen: str) -> None:
        reloads = agent.log_text().count("INFO reloaded")
        agent.configure(listen)
        os.kill(agent.pid, signal.SIGHUP)
        wait_for("it has reloaded", lambda: agent.log_text().count("INFO reloaded") > reloads, 20.0)

    first, agent.port = agent.port, free_port()
    reload(str(agent.port))
    agent.wait()
    wait_for("the first port is closed", lambda: not is_open(first))
    assert metric(agent, 'vipagent_config_reloads_total{result="taken"}') == 1
    reload("")
    wait_for("no connection is open", lambda: not is_open(agent.port))
    reload(str(agent.port))
    agent.wait()
    wait_for("states are watched again", lambda: '"serving"' in agent.get("/status.json").body)


def test_a_refused_configuration_is_a_metric(agent: AgentProcess) -> None:
    agent.configure("nowhere:99999")
    os.kill(agent.pid, signal.SIGHUP)
    wait_for("it is refused", lambda: metric(agent, "vipagent_config_last_reload_successful") == 0, 20.0)
    assert metric(agent, 'vipagent_config_reloads_total{result="refused"}') == 1


def test_a_port_in_use_does_not_affect_the_agent(tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path)
    with socket.create_server(("127.0.0.1", agent.port)):
        agent.start()
        wait_for("the error is logged", lambda: "cannot listen" in agent.log_text(), 20.0)
        wait_for("it announces", lambda: "INFO announce" in agent.log_text(), 20.0)
    agent.wait()
    assert agent.stop() == 0


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
