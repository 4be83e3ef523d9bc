"""A service with three agents on a real store, and the content of the store after each event."""

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.baseline.stores import STORE_TIMEOUT, Store, Stored
from tests.benchmark.program import Program
from tests.servers.process import free_port, wait_for
from vipagent.cli.main import cli

SERVICE = "apex"
OWN_VIPS = {
    "node1": ["10.20.255.1", "10.20.254.0/24"],
    "node2": ["10.20.255.2", "2001:db8::2"],
    "node3": ["10.20.255.1"],  # a conflict with node1
}
OWN, ORPHAN = "10.20.255.1", "10.20.255.3"
POOL = [*OWN_VIPS["node1"], *OWN_VIPS["node2"], ORPHAN]
DRAIN_DELAY = 20
"""`drain_delay` in seconds: long enough to inspect a node during a drain."""
NEIGHBOR_UP = {
    "exabgp": "5.0.0",
    "type": "state",
    "neighbor": {"address": {"local": "127.0.0.2", "peer": "127.0.0.3"}, "state": "up"},
}


class Site:
    """The agents of one service; `situations` is the content of the store by event."""

    def __init__(self, store: Store, directory: Path, stack: ExitStack) -> None:
        self.situations: dict[str, dict[str, Any]] = {}
        self._store = store
        self._directory = directory
        self._stack = stack
        self._failure_file = directory / "fails"
        self._listen = free_port()

    def run(self) -> None:
        """Run all situations."""
        node1, node2 = self._start("node1"), self._start("node2")
        self._record("registered", node1=("10.20.255.2", "standby"), node2=(ORPHAN, "takeover"))
        self.situations["registered"]["/status.json"] = self._status_page()
        self._failure_file.touch()
        self._record("check-down", node1=(OWN, "check-down"), node2=(OWN, "takeover"))
        self._failure_file.unlink()
        self._record("recovered", node1=(OWN, "owner"), node2=(OWN, "standby"))
        self._set_maintenance("on", "--node", "node1", "--reason", "new kernel")
        self._record("draining", node1=(OWN, "draining"), node2=(OWN, "takeover"))
        self._record("maintenance-node", node1=(OWN, "maintenance-node"), node2=(OWN, "takeover"))
        self._set_maintenance("off", "--node", "node1")
        self._wait_for_reasons(node1=(OWN, "owner"), node2=(OWN, "standby"))
        self._set_maintenance("on", "--node", "node1", "--now", "--reason", "smoke")
        self._record("maintenance-node-now", node1=(OWN, "maintenance-node"), node2=(OWN, "takeover"))
        self._set_maintenance("off", "--node", "node1")
        self._set_maintenance("on", "--reason", "the whole service")
        self._record(
            "maintenance-service", node1=(OWN, "maintenance-service"), node2=(OWN, "maintenance-service")
        )
        self._set_maintenance("off")
        self._wait_for_reasons(node1=(OWN, "owner"), node2=(OWN, "standby"))
        node3 = self._start("node3")
        self._record("conflict", node1=(OWN, "owner"), node3=(OWN, "conflict"))
        node3.terminate()
        self._configure("node1", [OWN])
        node1.reload()
        self._record("reloaded", node1=(OWN, "owner"), node2=("10.20.254.0/24", "takeover"))
        self._set_maintenance("on", "--node", "node2")
        self._wait_for_reasons(node2=("10.20.255.2", "maintenance-node"))
        node1.terminate()
        node2.terminate()
        wait_for(
            "all ephemeral entries are deleted",
            lambda: not any(e.ephemeral for e in self._read()),
            STORE_TIMEOUT,
        )
        self._record_content("stopped")

    def _start(self, node: str) -> Program:
        self._configure(node, OWN_VIPS[node])
        log = self._directory / f"{node}.log"
        agent = Program(["vipagent", "run", "--config", str(self._file(node))], log)
        self._stack.enter_context(agent)
        agent.wait_for("show neighbor", 0.0, STORE_TIMEOUT)
        agent.write_line(json.dumps(NEIGHBOR_UP))
        return agent

    def _file(self, node: str) -> Path:
        return self._directory / f"{node}.yaml"

    def _configure(self, node: str, own_vips: list[str]) -> None:
        service = {
            "auth_ip": own_vips,
            "vip": [vip for vip in POOL if node != "node1" or vip in (*own_vips, *OWN_VIPS["node2"], ORPHAN)],
            "command": f"test ! -e {self._failure_file}" if node == "node1" else "true",
            **{"interval": 0.3, "fast_interval": 0.3, "rise": 1, "fall": 1},
            **{"settle": 0, "release_delay": 0.5, "drain_delay": DRAIN_DELAY},
        }
        top: dict[str, object] = {"node": node, "backend": self._store.name, "hosts": [self._store.host]}
        if node == "node1":
            top["listen"] = self._listen
        self._file(node).write_text(json.dumps({**top, "services": {SERVICE: service}}))

    def _set_maintenance(self, action: str, *options: str) -> None:
        self._vipagent("maintenance", action, SERVICE, *options)

    def _vipagent(self, *arguments: str) -> str:
        return vipagent(*arguments, "--config", str(self._file("node1")))

    def _read(self) -> list[Stored]:
        return sorted(self._store.read())

    def _reasons(self) -> dict[str, dict[str, str]]:
        """Return each node's reasons by VIP."""
        records = {
            e.path.rpartition("/")[2]: json.loads(e.value) for e in self._read() if "/state/" in e.path
        }
        return {
            node: {vip: seen["reason"] for vip, seen in content["vips"].items()}
            for node, content in records.items()
        }

    def _wait_for_reasons(self, **nodes: tuple[str, str]) -> None:
        """Wait for the reasons of VIPs: node=(VIP, reason)."""

        def reached() -> bool:
            reasons = self._reasons()
            return all(reasons.get(node, {}).get(vip) == reason for node, (vip, reason) in nodes.items())

        wait_for(f"{self._store.name}: {nodes}", reached, STORE_TIMEOUT)

    def _record(self, name: str, **nodes: tuple[str, str]) -> None:
        self._wait_for_reasons(**nodes)
        self._record_content(name)

    def _status_page(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._listen}/status.json", timeout=10) as answer:
            return json.load(answer)

    def _record_content(self, name: str) -> None:
        """Record the content once it is stable: unchanged while the status is read."""

        def stable_content() -> dict[str, Any] | None:
            before = self._read()
            status = json.loads(self._vipagent("status", "--json"))
            return {"entries": before, "status --json": status} if before == self._read() else None

        content = wait_for(f"{self._store.name}: the content is stable", stable_content, STORE_TIMEOUT)
        assert content is not None
        self.situations[name] = content


def vipagent(*arguments: str) -> str:
    """Run an operator command, and return its output."""
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
