"""A load balancer whose agent has a configuration file, and its switch."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.exabgp.lab import agent
from tests.servers import bird
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import free_port, wait_for

ADDRESS = "127.0.0.11"
FIRST_SWITCH = 100
"""Last number of the address of the first switch, 127.0.0.100; the others follow."""
OTHERS_ROUTE = "10.99.0.1"
OTHER_PROCESS = f"""
import sys
print("announce route {OTHERS_ROUTE}/32 next-hop self", flush=True)
for line in sys.stdin:
    pass
"""
"""Another API process of the same ExaBGP."""

Services = Mapping[str, Mapping[str, object]]
Table = Mapping[str, int | None]
"""MED by announced VIP."""


class Box:
    """A load balancer, its switch and its store.

    Args:
        directory: directory of its files.
        version: version of ExaBGP.
        asn: its AS number.
        switch_asns: the AS number of each of its switches.
        agent_prefix: a program with options that executes the agent.
        settings: other settings of ExaBGP.
    """

    def __init__(
        self,
        directory: Path,
        version: str,
        asn: int = bird.ASN + 1,
        switch_asns: Sequence[int] = (bird.ASN,),
        agent_prefix: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.version = version
        self.file = directory / "agent.yaml"
        self.store = directory / "store"
        self.store.mkdir(parents=True)
        command = [*agent_prefix, *agent("run", "--config", str(self.file))]
        processes = {"agent": command, "other": [sys.executable, "-c", OTHER_PROCESS]}
        peer = Peer("node1", ADDRESS, asn, free_port(ADDRESS))
        self.switches = [
            Bird(directory / f"switch{number}", f"127.0.0.{number}", [peer], asn=switch_asn)
            for number, switch_asn in enumerate(switch_asns, FIRST_SWITCH)
        ]
        self.switch = self.switches[0]
        self.exabgp = ExaBGP(
            Settings(version, **settings),
            directory / peer.name,
            peer,
            [neighbor for switch in self.switches for neighbor in switch.neighbors],
            processes,
        )

    def write(self, text: str) -> None:
        """Replace the agent's configuration atomically."""
        temporary = self.file.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(self.file)

    def configure(self, services: Services, **options: object) -> None:
        """Replace the agent's configuration with a valid one, in JSON, which is also YAML."""
        shared = {"node": "node1", "backend": "file", "hosts": [str(self.store)]}
        unchecked = {name: {"address_check": False, **service} for name, service in services.items()}
        self.write(json.dumps({**shared, **options, "services": unchecked}))

    def launch(self) -> None:
        """Start all processes without waiting for them."""
        for switch in self.switches:
            switch.start()
        self.exabgp.start()

    def stop(self) -> None:
        """Stop all processes."""
        self.exabgp.stop()
        for switch in self.switches:
            switch.stop()

    def pid(self) -> int:
        """Return the agent's pid; wait until it runs."""
        return self.exabgp.child("agent")

    def reload(self) -> None:
        """Reload the agent's configuration."""
        os.kill(self.pid(), signal.SIGHUP)

    def table(self) -> Table:
        """Return the routes of the first switch."""
        return {prefix.partition("/")[0]: routes[0].med for prefix, routes in self.switch.routes().items()}

    def wait_for(self, table: Table, within: float = 20.0) -> None:
        """Wait until the first switch has exactly these routes."""
        self.wait_until(f"the table is {table}", lambda: self.table() == table, within)

    def wait_for_log(self, message: str, count: int = 1, within: float = 10.0) -> None:
        """Wait until the agent has logged a message at least `count` times."""
        self.wait_until(f"{message!r} is logged", lambda: self.agent_log().count(message) >= count, within)

    def agent_log(self) -> str:
        """Return the agent's log."""
        return self.exabgp.stderr_of("agent")

    def wait_until(self, what: str, probe: Callable[[], bool], within: float = 10.0) -> None:
        """Wait for a condition; on a timeout, report the agent's log."""
        try:
            wait_for(f"ExaBGP {self.version}: {what}", probe, within)
        except AssertionError as error:
            raise AssertionError(
                f"{error}; the table is {self.table()}\n{self.agent_log()[-5000:]}"
            ) from None


@contextmanager
def boxes(directory: Path, **settings: Any) -> Iterator[list[Box]]:
    """Create a load balancer with each ExaBGP version; stop them at the end."""
    with ExitStack() as stack:
        created = [Box(directory / version, version, **settings) for version in VERSIONS]
        for box in created:
            stack.callback(box.stop)
        yield created
