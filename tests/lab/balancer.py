"""A load balancer: ExaBGP with the agent, and the local service."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from tests.lab import plan
from tests.lab.daemon import Daemon, kill, read
from tests.lab.network import Network
from tests.lab.plan import Link, Machine, Standby
from tests.lab.store import PORT
from tests.servers.bird import Peer
from tests.servers.exabgp import Settings, environment, executable
from tests.servers.process import wait_for
from vipagent.testing.slowness import allowed

EXABGP = Path(__file__).parents[2] / "conf" / "exabgp-node1.conf"
"""The example for operators; the lab changes addresses, AS numbers and adds a second address family."""
VERSION = "5"
VIPAGENT = (sys.executable, "-m", "vipagent")
"""The program under test."""
RELOADED = " reloaded"
"""Log message of the agent."""

TAKING_OVER: dict[Standby, dict[str, object]] = {
    Standby.COLD: {"takeover": "all", "standby": "cold", "prepend": 1},
    Standby.HOT: {"takeover": "ranked", "standby": "hot", "prepend": 1},
    Standby.NO_PREPEND: {"takeover": "ranked", "standby": "hot", "prepend": 0},
}


class Balancer:
    """One load balancer.

    Args:
        machine: the machine.
        network: the network with its namespace.
        directory: directory of its files.
        program: its vipagent.
    """

    def __init__(
        self,
        machine: Machine,
        network: Network,
        directory: Path,
        program: Sequence[str] = VIPAGENT,
    ) -> None:
        self.name = machine.name
        self.program = program
        self.config = directory / f"{self.name}.yaml"
        self._machine = machine
        self._network = network
        self._directory = directory
        self.log = directory / f"{self.name}-agent.log"
        """Log file of the agent."""
        addresses = " ".join(link.end(self.name).ipv4 for link in self._links)
        speaker = Peer(self.name, addresses, machine.asn, 179)
        command = network.inside(self.name, [str(executable(VERSION)), str(self._exabgp_conf)])
        self._state = directory / f"{self.name}-state"
        env = {"STATE_DIRECTORY": str(self._state)} | environment(Settings(VERSION), speaker)
        self.exabgp = Daemon(f"{self.name}-exabgp", command, directory, env)
        interfaces = ",".join(link.upper for link in self._links)
        echo = [sys.executable, "-m", "tests.lab.echo", self.name, interfaces, *plan.OWNERS]
        self.service = Daemon(f"{self.name}-service", network.inside(self.name, echo), directory)

    def start(self) -> None:
        """Start the local service and ExaBGP, which starts the agent."""
        self._state.mkdir(exist_ok=True)
        self.configure()
        self.install(self.program)
        self._exabgp_conf.write_text(self._adapted(self._script))
        self.service.start()
        self.exabgp.start()

    def install(self, program: Sequence[str]) -> None:
        """Replace vipagent, for the next agent that ExaBGP starts, and for operator commands here."""
        self.program = program
        command = shlex.join([*program, "run", "--config", str(self.config)])
        self._script.write_text(f"#!/bin/sh\nexec {command} 2>>{shlex.quote(str(self.log))}\n")
        self._script.chmod(0o755)

    def configure(self, **options: object) -> None:
        """Write the agent's configuration, with additional options of the service."""
        self.config.write_text(yaml.safe_dump(self._agent_conf(options), sort_keys=False))

    def agent(self) -> int:
        """Wait for the agent, and return its pid."""

        def running() -> list[int]:
            return [pid for pid in self.exabgp.children() if b"vipagent" in _command(pid)]

        return wait_for(f"ExaBGP runs the agent of {self.name}", running)[0]

    def signal_agent(self, number: signal.Signals) -> None:
        """Send a signal only to the agent."""
        kill(self.agent(), number)

    def crash(self) -> None:
        """`kill -9` ExaBGP and the agent together."""
        agent = self.agent()
        self.exabgp.signal(signal.SIGSTOP)  # so that it does not restart the agent
        kill(agent)
        self.exabgp.kill()

    def reload(self) -> None:
        """Let the agent reload its configuration."""
        before = read(self.log).count(RELOADED)
        self.signal_agent(signal.SIGHUP)
        wait_for(f"{self.name} has a new configuration", lambda: read(self.log).count(RELOADED) > before)

    def vipagent(self, *words: str, program: Sequence[str] = ()) -> str:
        """Run `vipagent` on this machine; return its output."""
        command = self.command(*words, program=program)
        done = subprocess.run(command, capture_output=True, text=True, timeout=allowed(90), check=False)
        assert done.returncode == 0, f"vipagent {' '.join(words)}: {done.stderr}"
        return done.stdout

    def command(self, *words: str, program: Sequence[str] = ()) -> list[str]:
        """Return the command line of a `vipagent`, by default this machine's, with its configuration."""
        command = [*(program or self.program), *words, "--config", str(self.config)]
        return self._network.inside(self.name, command)

    @property
    def _script(self) -> Path:
        return self._directory / f"{self.name}-agent.sh"

    @property
    def _exabgp_conf(self) -> Path:
        return self._directory / f"{self.name}-exabgp.conf"

    @property
    def _links(self) -> Sequence[Link]:
        return self._network.plan.links(self.name)

    def _agent_conf(self, options: Mapping[str, object]) -> dict[str, object]:
        own = self._links[0].end(self.name)
        next_hops = [own.ipv4, own.ipv6] if len(self._links) == 1 else [own.ipv6]
        service = {
            "vip": {name: list(vips) for name, vips in plan.VIPS.items()},
            **TAKING_OVER[self._network.plan.standby],
            "local_as": self._machine.asn,
            "next_hop": next_hops,
            "require_bgp": 1,
            "check": "http://127.0.0.1:8080/healthz",
            "interval": 1,
            "fast_interval": 0.5,
            "rise": 2,
            "fall": 2,
            "drain_delay": 2,
            **options,
        }
        return {
            "node": self.name,
            "backend": "zookeeper",
            "hosts": [f"{plan.STORE}:{PORT}"],
            "session_timeout": plan.SESSION,
            "services": {plan.SERVICE: service},
        }

    def _adapted(self, script: Path) -> str:
        process, neighbor, block = EXABGP.read_text().partition("# The switch.\nneighbor ")
        assert block, f"{EXABGP} has another comment above its neighbor"
        process = _replaced(process, {"run vipagent run --config /etc/vipagent/node1.yaml": f"run {script}"})
        blocks = (self._neighbor(neighbor + block, link) for link in self._links)
        return process + "\n".join(blocks)

    def _neighbor(self, block: str, link: Link) -> str:
        switch = plan.MACHINES[link.upper]
        changes = {
            "192.0.2.11": link.end(self.name).ipv4,
            "neighbor 192.0.2.1 ": f"neighbor {link.end(switch.name).ipv4} ",
            "local-as 64501": f"local-as {self._machine.asn}",
            "peer-as 64500": f"peer-as {switch.asn}",
            "hold-time 9": f"hold-time {plan.HOLD}",
            "ipv4 unicast;": "ipv4 unicast;\n        ipv6 unicast;",
        }
        return _replaced(block, changes)


def _replaced(text: str, changes: Mapping[str, str]) -> str:
    for shipped, ours in changes.items():
        assert shipped in text, f"{EXABGP} has no {shipped!r}"
        text = text.replace(shipped, ours)
    return text


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
