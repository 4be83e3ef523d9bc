"""One real agent with ZooKeeper behind a proxy, a checked service, and other nodes' registrations."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import yaml
from kazoo.client import KazooClient

from tests.benchmark.program import Program
from tests.servers.process import free_port
from tests.servers.proxy import Proxy
from tests.servers.zookeeper import ZooKeeper
from tests.soak.log_counter import LogCounter
from tests.soak.target import Target
from vipagent.testing.slowness import allowed

SERVICES = 20
CHECK_INTERVAL = 0.05
"""Interval of the checks of a service in seconds."""
SESSION_TIMEOUT = min(allowed(6.0), 20.0)
"""Session timeout in seconds, within the server's limits; a shorter one may expire on a busy machine."""
SERVICE_OPTIONS = {
    "interval": CHECK_INTERVAL,
    "fast_interval": CHECK_INTERVAL,
    "timeout": 10,
    "rise": 1,
    "fall": 2,
    "settle": 0.1,
    "release_delay": 0.05,
    "address_check": False,
}
"""Long timeouts, so that checks fail only if intended."""


@dataclass(frozen=True, slots=True)
class Site:
    """The agent and its environment."""

    config: Path
    port: int
    """HTTP port of the agent."""
    proxy: Proxy
    target: Target
    others: KazooClient
    agent: Program
    log: LogCounter

    def configure(self, services: Mapping[str, object]) -> None:
        """Write the agent's configuration, for the next SIGHUP."""
        _write(self.config, self.port, self.proxy.address, services)

    def read_status(self) -> None:
        """Read the metrics, and open and close the status page."""
        for path in ("/metrics", "/status.json", "/", "/events"):
            with urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=allowed(20)
            ) as answer:  # /events does not end, so only one line is read
                assert answer.readline(), path

    def leave(self, service: int) -> None:
        """Delete the registration of a service's other node."""
        self.others.delete(_member(service))

    def join(self, service: int) -> None:
        """Create the registration of a service's other node."""
        self.others.create(_member(service), makepath=True)


def own(service: int) -> str:
    """Return the agent's VIP of a service."""
    return f"10.20.{service}.1"


def orphan(service: int) -> str:
    """Return the other node's VIP of a service."""
    return f"10.20.{service}.2"


def services(target: Target) -> dict[str, dict[str, object]]:
    """Return the agent's services as configured: even ones are checked by HTTP, odd ones by TCP."""
    return {
        f"s{number}": {
            "auth_ip": own(number),
            "vip": [own(number), orphan(number)],
            "check": target.url("tcp" if number % 2 else "http"),
            **SERVICE_OPTIONS,
        }
        for number in range(SERVICES)
    }


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Start all processes, and wait until the agent serves."""
    with ExitStack() as stack:
        server = ZooKeeper(folder / "zookeeper", tick=1000)
        stack.callback(server.stop)
        server.start()
        proxy, target = Proxy(server.address), Target()
        stack.callback(target.close)
        stack.callback(proxy.close)
        others = KazooClient(server.address)
        others.start(30)
        stack.callback(others.close)
        stack.callback(others.stop)
        for number in range(SERVICES):
            others.create(_member(number), makepath=True)
        config, log = folder / "vipagent.yaml", folder / "agent.log"
        port = free_port()
        _write(config, port, proxy.address, services(target))
        agent = stack.enter_context(Program(["vipagent", "run", "--config", str(config)], log))
        for number in range(SERVICES):
            agent.wait_for(f"announce route {own(number)}/", 0.0)
            agent.wait_for(f"withdraw route {orphan(number)}/", 0.0)  # the other node is registered
        yield Site(config, port, proxy, target, others, agent, LogCounter(log))


def _member(service: int) -> str:
    return f"/exabgp/service/s{service}/{orphan(service)}"


def _write(config: Path, port: int, store: str, services: Mapping[str, object]) -> None:
    agent = {
        "node": "node1",
        "backend": "zookeeper",
        "hosts": store,
        "listen": port,
        "state_directory": str(config.parent),
        "session_timeout": SESSION_TIMEOUT,
        "log_format": "json",
        "services": services,
    }
    config.write_text(yaml.safe_dump(agent))
