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
OWNED = {
    "node1": ["10.20.255.1", "10.20.254.0/24"],
    "node2": ["10.20.255.2", "2001:db8::2"],
    "node3": ["10.20.255.1"],  # node1's: a conflict
}
OWN, ORPHAN = "10.20.255.1", "10.20.255.3"
POOL = [*OWNED["node1"], *OWNED["node2"], ORPHAN]
DRAIN = 20
"""`drain_delay` in seconds: long enough to inspect a node during a drain."""
UP = {
    "exabgp": "5.0.0",
    "type": "state",
    "neighbor": {"address": {"local": "127.0.0.2", "peer": "127.0.0.3"}, "state": "up"},
}


class Site:
    """The agents of one service; `situations` has the content of the store by event."""

    def __init__(self, store: Store, directory: Path, stack: ExitStack) -> None:
        self.situations: dict[str, dict[str, Any]] = {}
        self._store = store
        self._directory = directory
        self._stack = stack
        self._fails = directory / "fails"
        self._listen = free_port()

    def live(self) -> None:
        """Run all situations."""
        node1, node2 = self._start("node1"), self._start("node2")
        self._record("registered", node1=("10.20.255.2", "standby"), node2=(ORPHAN, "takeover"))
        self.situations["registered"]["/status.json"] = self._shown()
        self._fails.touch()
        self._record("check-down", node1=(OWN, "check-down"), node2=(OWN, "takeover"))
        self._fails.unlink()
        self._record("recovered", node1=(OWN, "owner"), node2=(OWN, "standby"))
        self._operate("on", "--node", "node1", "--reason", "new kernel")
        self._record("draining", node1=(OWN, "draining"), node2=(OWN, "takeover"))
        self._record("maintenance-node", node1=(OWN, "maintenance-node"), node2=(OWN, "takeover"))
        self._operate("off", "--node", "node1")
        self._wait(node1=(OWN, "owner"), node2=(OWN, "standby"))
        self._operate("on", "--node", "node1", "--now", "--reason", "smoke")
        self._record("maintenance-node-now", node1=(OWN, "maintenance-node"), node2=(OWN, "takeover"))
        self._operate("off", "--node", "node1")
        self._operate("on", "--reason", "the whole service")
        self._record(
            "maintenance-service", node1=(OWN, "maintenance-service"), node2=(OWN, "maintenance-service")
        )
        self._operate("off")
        self._wait(node1=(OWN, "owner"), node2=(OWN, "standby"))
        node3 = self._start("node3")
        self._record("conflict", node1=(OWN, "owner"), node3=(OWN, "conflict"))
        node3.terminate()
        self._configure("node1", [OWN])
        node1.reload()
        self._record("reloaded", node1=(OWN, "owner"), node2=("10.20.254.0/24", "takeover"))
        self._operate("on", "--node", "node2")
        self._wait(node2=("10.20.255.2", "maintenance-node"))
        node1.terminate()
        node2.terminate()
        wait_for(
            "all ephemeral entries are gone",
            lambda: not any(e.ephemeral for e in self._read()),
            STORE_TIMEOUT,
        )
        self._keep("stopped")

    def _start(self, node: str) -> Program:
        self._configure(node, OWNED[node])
        log = self._directory / f"{node}.log"
        agent = Program(["vipagent", "run", "--config", str(self._file(node))], log)
        self._stack.enter_context(agent)
        agent.wait_for("show neighbor", 0.0, STORE_TIMEOUT)
        agent.tell(json.dumps(UP))
        return agent

    def _file(self, node: str) -> Path:
        return self._directory / f"{node}.yaml"

    def _configure(self, node: str, owned: list[str]) -> None:
        service = {
            "auth_ip": owned,
            "vip": [vip for vip in POOL if node != "node1" or vip in (*owned, *OWNED["node2"], ORPHAN)],
            "command": f"test ! -e {self._fails}" if node == "node1" else "true",
            **{"interval": 0.3, "fast_interval": 0.3, "rise": 1, "fall": 1},
            **{"settle": 0, "release_delay": 0.5, "drain_delay": DRAIN},
        }
        top: dict[str, object] = {"node": node, "backend": self._store.name, "hosts": [self._store.host]}
        if node == "node1":
            top["listen"] = self._listen
        self._file(node).write_text(json.dumps({**top, "services": {SERVICE: service}}))

    def _operate(self, action: str, *options: str) -> None:
        self._vipagent("maintenance", action, SERVICE, *options)

    def _vipagent(self, *words: str) -> str:
        return vipagent(*words, "--config", str(self._file("node1")))

    def _read(self) -> list[Stored]:
        return sorted(self._store.read())

    def _reasons(self) -> dict[str, dict[str, str]]:
        """Return each node's reasons by VIP."""
        records = {
            e.path.rpartition("/")[2]: json.loads(e.value) for e in self._read() if "/state/" in e.path
        }
        return {
            node: {vip: seen["reason"] for vip, seen in found["vips"].items()}
            for node, found in records.items()
        }

    def _wait(self, **nodes: tuple[str, str]) -> None:
        """Wait for the reasons of VIPs: node=(VIP, reason)."""

        def reached() -> bool:
            reasons = self._reasons()
            return all(reasons.get(node, {}).get(vip) == reason for node, (vip, reason) in nodes.items())

        wait_for(f"{self._store.name}: {nodes}", reached, STORE_TIMEOUT)

    def _record(self, name: str, **nodes: tuple[str, str]) -> None:
        self._wait(**nodes)
        self._keep(name)

    def _shown(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._listen}/status.json", timeout=10) as answer:
            return json.load(answer)

    def _keep(self, name: str) -> None:
        """Record the content once it is stable: unchanged while the status is read."""

        def still() -> dict[str, Any] | None:
            before = self._read()
            status = json.loads(self._vipagent("status", "--json"))
            return {"entries": before, "status --json": status} if before == self._read() else None

        found = wait_for(f"{self._store.name}: nothing changes", still, STORE_TIMEOUT)
        assert found is not None
        self.situations[name] = found


def vipagent(*words: str) -> str:
    """Run an operator command, and return its output."""
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.stdout
