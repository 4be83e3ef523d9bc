"""A whole agent with the status server: memory, reloads, and errors of the server."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.process import free_port, wait_for
from tests.unit.web.whole_agent import WholeAgent, key
from vipagent.store.layout import WHOLE_SERVICE, Kind
from vipagent.store.records import Maintenance
from vipagent.testing import growth

MAX_MEMORY = 40 * 1024
"""In KiB (documented limit of `--listen`)."""


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[WholeAgent]:
    agent = WholeAgent(tmp_path)
    agent.start()
    agent.wait()
    yield agent
    assert agent.stop() == 0, agent.read_log()


def metric(agent: WholeAgent, line: str) -> float:
    (sample,) = [shown for shown in agent.get("/metrics").body.splitlines() if shown.startswith(line + " ")]
    return float(sample.rpartition(" ")[2])


def test_a_thousand_scrapes_do_not_increase_memory(agent: WholeAgent) -> None:
    registered = 'vipagent_vip_registered{service="apex",vip="10.0.0.1"}'
    wait_for("all descriptors are open", lambda: metric(agent, registered) == 1, 20.0)

    def scrape() -> None:
        for _ in range(100):
            assert agent.get("/metrics").status == 200

    scrape()
    memory, opened = growth.read(
        scrape, lambda: growth.resident(agent.pid), lambda: growth.descriptors(agent.pid)
    )
    growth.check("KiB of memory", memory, 100)
    growth.check("descriptors", opened, 0.5)
    assert max(memory) < MAX_MEMORY


def test_status_and_metrics_show_the_maintenance_from_the_store(agent: WholeAgent) -> None:
    operator = agent.operator()
    operator.write(key(Kind.MAINTENANCE, WHOLE_SERVICE), Maintenance("upgrade", "me", "").dump(), 5.0)
    maintenance_metric = 'vipagent_maintenance{scope="service",service="apex"}'
    wait_for("the metric shows the maintenance", lambda: metric(agent, maintenance_metric) == 1)
    (apex,) = json.loads(agent.get("/status.json").body)
    assert apex["maintenance"] == {"reason": "upgrade", "by": "me", "since": "", "now": False}
    assert [node["node"] for node in apex["nodes"]] == ["node1"]
    operator.erase(key(Kind.MAINTENANCE, WHOLE_SERVICE), 5.0)
    wait_for("the maintenance has ended", lambda: metric(agent, maintenance_metric) == 0)
    operator.close(5.0)


def test_a_route_is_not_announced_while_exabgp_refuses_it(agent: WholeAgent) -> None:
    """ExaBGP refuses every command: status, page, health and metrics agree that nothing is announced."""

    def is_refused() -> bool:
        agent.say("error")
        return "ExaBGP rejected the command, will retry" in agent.read_log()

    wait_for("ExaBGP has refused the route", is_refused, 20.0)
    announced = 'vipagent_vip_announced{service="apex",vip="10.0.0.1"}'
    requested = 'vipagent_vip_requested{service="apex",vip="10.0.0.1"}'
    assert (metric(agent, announced), metric(agent, requested)) == (0, 1)
    assert json.loads(agent.get("/healthz").body)["services"]["apex"]["announced"] == 0

    def own_vip() -> dict[str, list[dict[str, object]]]:
        (apex,) = json.loads(agent.get("/status.json").body)
        assert [node["state"] for node in apex["nodes"]] != ["serving"]
        vip: dict[str, list[dict[str, object]]] = apex["vips"][0]
        return vip

    wait_for("the status has the facts", lambda: bool(own_vip()["asked_by"]), 20.0)
    assert own_vip()["announced_by"] == []
    [asked] = own_vip()["asked_by"]
    assert (asked["node"], asked["rank"], asked["accepted"]) == ("node1", 0, False)


def test_a_reload_moves_closes_and_reopens_the_port(agent: WholeAgent) -> None:
    def reload(listen: str) -> None:
        reloads = agent.read_log().count("INFO reloaded")
        agent.configure(listen)
        os.kill(agent.pid, signal.SIGHUP)
        wait_for("it has reloaded", lambda: agent.read_log().count("INFO reloaded") > reloads, 20.0)

    first, agent.port = agent.port, free_port()
    reload(str(agent.port))
    agent.wait()
    wait_for("the first port is closed", lambda: not is_open(first))
    assert metric(agent, 'vipagent_config_reloads_total{result="taken"}') == 1
    reload("")
    wait_for("no port is open", lambda: not is_open(agent.port))
    reload(str(agent.port))
    agent.wait()
    wait_for("states are watched again", lambda: '"bgp-unknown"' in agent.get("/status.json").body)


def test_a_rejected_configuration_is_counted(agent: WholeAgent) -> None:
    agent.configure("nowhere:99999")
    os.kill(agent.pid, signal.SIGHUP)
    wait_for(
        "the configuration is rejected",
        lambda: metric(agent, "vipagent_config_last_reload_successful") == 0,
        20.0,
    )
    assert metric(agent, 'vipagent_config_reloads_total{result="refused"}') == 1


def test_a_port_in_use_does_not_affect_the_agent(tmp_path: Path) -> None:
    agent = WholeAgent(tmp_path)
    with socket.create_server(("127.0.0.1", agent.port)):
        agent.start()
        wait_for("the error is logged", lambda: "cannot listen" in agent.read_log(), 20.0)
        wait_for("it announces", lambda: "INFO announce" in agent.read_log(), 20.0)
    agent.wait()
    assert agent.stop() == 0


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
