"""The commands to ExaBGP for all route options, from three agents with one store."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.baseline.site import NEIGHBOR_UP, vipagent
from tests.baseline.stores import STORE_TIMEOUT
from tests.benchmark.program import Program
from tests.servers.process import wait_for

NODES = ("node1", "node2", "node3")
ATTRIBUTES: Mapping[str, Mapping[str, object]] = {
    "plain": {},
    "cold": {"takeover": "all", "standby": "cold"},
    "med": {"med": 50, "med_step": 25},
    "prepend": {"local_as": 65001, "prepend": 2},
    "communities": {
        "community": ["65000:1", "65000:2"],
        "large_community": ["65000:1:2"],
        "extended_community": ["target:65000:1"],
    },
    "roles": {
        "roles": {
            "primary": {"community": ["65000:10"], "local_preference": 300},
            "standby": {"community": ["65000:20"], "large_community": ["65000:2:0"], "local_preference": 50},
        }
    },
    "local-preference": {"local_preference": 200},
    "next-hop": {"next_hop": ["192.0.2.1", "2001:db8::1"]},
    "path-information": {"path_id": 7},
    "neighbors": {"neighbor": ["127.0.0.2", "127.0.0.3"]},
    "everything": {
        **{"path_id": 8, "neighbor": ["127.0.0.2"], "local_as": 65001, "prepend": 1},
        **{"community": ["65000:1"], "local_preference": 200, "next_hop": ["192.0.2.1"]},
    },
}


def configuration(node: str, store: str) -> dict[str, Any]:
    """Return an agent's configuration: one service per route option, with one VIP per node."""
    number = NODES.index(node)
    services: dict[str, Any] = {}
    for place, (name, attributes) in enumerate(ATTRIBUTES.items(), 1):
        vips = [f"10.{place}.0.1", f"10.{place}.1.0/24", f"2001:db8:{place}::3"]
        services[name] = {
            **{"vip": vips, "auth_ip": vips[number], "takeover": "ranked", "standby": "hot"},
            **{"rise": 1, "settle": 0, "drain_delay": 1},
            **attributes,
        }
    return {"node": node, "backend": "file", "hosts": [store], "services": services}


def record(directory: Path) -> dict[str, Any]:
    """Return each agent's configuration, and its sorted, unique commands of each phase."""
    store = directory / "store"
    store.mkdir()
    configurations = {node: configuration(node, str(store)) for node in NODES}
    with ExitStack() as stack:
        agents = {}
        for node, agent in configurations.items():
            file = directory / f"{node}.yaml"
            file.write_text(json.dumps(agent))
            run = ["vipagent", "run", "--config", str(file)]
            agents[node] = stack.enter_context(Program(run, directory / f"{node}.log"))
        commands_by_phase = {
            node: _phases(directory / f"{node}.yaml", agent) for node, agent in agents.items()
        }
    return {
        node: {
            "configuration": {**configurations[node], "hosts": ["STORE"]},
            "commands": commands_by_phase[node],
        }
        for node in NODES
    }


def _phases(file: Path, agent: Program) -> dict[str, list[str]]:
    """Run until all commands are sent, then drain."""
    _wait_for_all(agent, "announce route", 0)
    agent.write_line(json.dumps(NEIGHBOR_UP))  # all commands are repeated a second later
    wait_for("all commands are repeated", lambda: agent.commands(" attribute [ "), STORE_TIMEOUT)
    phases = {"serving": len(agent.commands())}
    for service in ATTRIBUTES:
        _set_maintenance(file, service, "on")
    _wait_for_all(agent, "65535:0", phases["serving"])
    _wait_for_all(agent, "withdraw route", phases["serving"])
    phases["drained"] = len(agent.commands())
    commands, first, commands_by_phase = [command.line for command in agent.commands()], 0, {}
    for phase, last in phases.items():
        commands_by_phase[phase] = sorted(set(commands[first:last]))
        first = last
    for service in ATTRIBUTES:
        _set_maintenance(file, service, "off")
    return commands_by_phase


def _wait_for_all(agent: Program, text: str, since: int) -> None:
    """Wait for a command with this text for a VIP of each service."""

    def all_written() -> bool:
        commands = [command.line for command in agent.commands(text)]
        recent = {command.line for command in agent.commands()[since:]}
        return all(
            any(f" 10.{place}." in line or f"db8:{place}::" in line for line in commands if line in recent)
            for place in range(1, len(ATTRIBUTES) + 1)
        )

    wait_for(f"{text} for each service", all_written, STORE_TIMEOUT)


def _set_maintenance(file: Path, service: str, action: str) -> None:
    vipagent("maintenance", action, service, "--node", file.stem, "--config", str(file))
