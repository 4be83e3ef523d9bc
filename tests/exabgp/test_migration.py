"""ExaZKs are replaced one at a time, and rolled rollback, without downtime (S2, docs/migration.md)."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.exabgp import exazk
from tests.exabgp.exazk import Version
from tests.exabgp.lab import OWN, SERVICE, SWITCH, TAKEN, agent, never_without_route, peer, vip
from tests.exabgp.registry import Registry
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.migration.exazk import read
from vipagent.migration.join import imported
from vipagent.migration.render import text
from vipagent.testing.slowness import allowed

POLL_INTERVAL = 0.5
"""Polling interval of ExaZK in seconds."""
SERVICE_OPTIONS = "    interval: 0.3\n    rise: 1\n"
"""Options appended to the imported configuration, which ends with the service's keys."""
WAIT_TIMEOUT = 30.0

Table = dict[str, dict[str, int | None]]


@dataclass(frozen=True, slots=True)
class Setup:
    """Common settings of the three nodes: versions of ExaBGP and ExaZK, and the location in ZooKeeper."""

    settings: Settings
    exazk: Version
    hosts: str
    prefix: str


class Balancer:
    """One load balancer: an ExaBGP with ExaZK, one with vipagent, and one with ExaZK for the rollback."""

    def __init__(self, number: int, directory: Path, switch: Bird, speaker: Peer, setup: Setup) -> None:
        self.name, self.vip = speaker.name, vip(number)
        directory.mkdir()
        old = directory / "exazk.yml"
        old.write_text(_exazk_config(number, speaker.name, setup))
        self.config = directory / "vipagent.yaml"
        self.config.write_text(text(imported([str(old)], read, {}), "the tests") + SERVICE_OPTIONS)
        run = [sys.executable, exazk.__file__, str(old), setup.exazk.value, str(POLL_INTERVAL)]
        stopped_exazk = ["/bin/sh", "-c", f"kill -STOP $$; exec {shlex.join(run)}"]
        new = agent("run", "--config", str(self.config))
        self.exazk = ExaBGP(setup.settings, directory / "exazk", speaker, switch.neighbors, {"exazk": run})
        self.vipagent = ExaBGP(
            setup.settings, directory / "vipagent", speaker, switch.neighbors, {"agent": new}
        )
        self.rollback = ExaBGP(
            setup.settings, directory / "rollback", speaker, switch.neighbors, {"exazk": stopped_exazk}
        )
        self._pid = 0

    def freeze(self) -> None:
        """Freeze ExaZK with SIGSTOP: ExaBGP keeps its routes."""
        self._pid = self._pid or self.exazk.child("exazk")
        os.kill(self._pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue ExaZK."""
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill a frozen ExaZK."""
        os.kill(self._pid, signal.SIGKILL)
        self._pid = 0

    def start_rollback(self) -> None:
        """Start the ExaBGP of the rollback, with an ExaZK that is frozen from its start."""
        self.rollback.start()
        self._pid = self.rollback.child("exazk")
        wait_for("ExaZK is frozen", lambda: _is_stopped(self._pid))

    def maintenance(self, action: str, *options: str) -> None:
        """Start or end the maintenance of this node, with the operator's command."""
        about = ("--node", self.name, "--config", str(self.config))
        command = agent("maintenance", action, SERVICE, *about, *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=allowed(60), check=False)
        assert done.returncode == 0, done.stderr

    def last_logs(self) -> str:
        """Return the last log lines of all processes."""
        logs = (
            self.exazk.stderr_of("exazk"),
            self.vipagent.stderr_of("agent"),
            self.rollback.stderr_of("exazk"),
        )
        return "".join(logs)[-3000:]

    def stop(self) -> None:
        """Stop all processes."""
        self.exazk.stop()
        self.vipagent.stop()
        self.rollback.stop()


class Migration:
    """Three load balancers on one ZooKeeper, and their switch."""

    def __init__(self, directory: Path, setup: Setup) -> None:
        peers = [peer(number) for number in (1, 2, 3)]
        self.switch = Bird(directory / "switch", SWITCH, peers)
        self.nodes = [Balancer(n, directory / p.name, self.switch, p, setup) for n, p in enumerate(peers, 1)]

    def others(self, node: Balancer) -> list[Balancer]:
        """Return the other nodes."""
        return [other for other in self.nodes if other is not node]

    def table(self) -> Table:
        """Return the MED by VIP and announcing node, at the switch."""
        return {
            prefix.partition("/")[0]: {route.peer: route.med for route in routes}
            for prefix, routes in self.switch.routes().items()
        }

    def converged(self) -> Table:
        """Return the table in which each node announces only its own VIP."""
        return {node.vip: {node.name: OWN} for node in self.nodes}

    def takeovers_of(self, node: Balancer) -> dict[str, int | None]:
        """Return the MED by announcing node of a VIP whose owner has failed."""
        return {other.name: TAKEN for other in self.others(node)}

    def wait_for(self, what: str, vips: Table) -> None:
        """Wait until the switch has exactly these routes of these VIPs."""
        self.wait_until(what, lambda: vips.items() <= self.table().items())

    def wait_until(self, what: str, probe: Callable[[], bool]) -> None:
        """Wait for a condition; on a timeout, report the logs of all nodes."""
        try:
            wait_for(what, probe, WAIT_TIMEOUT)
        except AssertionError as error:
            logs = "\n".join(f"{node.name}: {node.last_logs()}" for node in self.nodes)
            raise AssertionError(f"{error}; the table is {self.table()}\n{logs}") from None

    def assert_never_without_route(self, since: float) -> None:
        """Assert from the switch's log that each VIP had a route at all times, at first from its owner."""
        for node in self.nodes:
            changes = [c for c in self.switch.changes(since) if c.prefix == f"{node.vip}/32"]
            assert never_without_route(changes, [node.name]), (node.vip, changes)

    def stop(self) -> None:
        """Stop all processes."""
        for node in self.nodes:
            node.stop()
        self.switch.stop()


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _exazk_config(number: int, node: str, setup: Setup) -> str:
    others = ", ".join(vip(other) for other in (1, 2, 3) if other != number)
    return (
        f"zk_hosts: [ '{setup.hosts}' ]\n"
        f"zk_path_service: {setup.prefix}/service/{SERVICE}\n"
        f"zk_path_maintenance: {setup.prefix}/maintenance/{SERVICE}/{node}\n"
        f"debug: False\nsilent: False\nsyslog: False\nsyslog_facility: daemon\n"
        f"local_check: 'true'\nsrv_name: {SERVICE}\n"
        f"srv_auth_ip: {vip(number)}\nsrv_non_auth_ips: [ {others} ]\n"
    )


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def exabgp(request: pytest.FixtureRequest) -> str:
    """Return each version of ExaBGP."""
    return str(request.param)


@pytest.fixture(params=Version, ids=lambda version: f"exazk{version.value}")
def migration(
    request: pytest.FixtureRequest, exabgp: str, zookeeper: ZooKeeper, tmp_path: Path
) -> Iterator[tuple[Migration, Registry]]:
    prefix = f"/{request.node.originalname}/{exabgp}/{request.param.value}"
    migration = Migration(tmp_path, Setup(Settings(exabgp), request.param, zookeeper.address, prefix))
    try:
        migration.switch.start()
        for node in migration.nodes:
            node.exazk.start()
        migration.wait_for("the ExaZKs announce their own VIPs", migration.converged())
        with Registry(zookeeper.address, prefix) as registry:
            wait_for("all ExaZKs are registered", lambda: len(registry.members()) == len(migration.nodes))
            yield migration, registry
    finally:
        migration.stop()


def freeze(migration: Migration, node: Balancer) -> None:
    """Freeze an ExaZK, and wait until the other nodes also announce its VIP."""
    node.freeze()
    migration.wait_for(
        "the other nodes also announce it", {node.vip: {node.name: OWN, **migration.takeovers_of(node)}}
    )


def upgrade(migration: Migration, registry: Registry, node: Balancer) -> None:
    """Replace an ExaZK as documented in docs/migration.md."""
    freeze(migration, node)
    node.maintenance("on")
    node.exazk.process.signal(signal.SIGTERM)
    migration.wait_for("only the other nodes announce it", {node.vip: migration.takeovers_of(node)})
    node.kill()
    node.exazk.terminate()
    node.vipagent.start()
    migration.wait_until("the node publishes its state", lambda: node.name in registry.states())
    assert node.vip not in registry.members()
    node.maintenance("off")
    migration.wait_for("each node announces only its own VIP", migration.converged())


def roll_back(migration: Migration, node: Balancer, exazks: Sequence[Balancer]) -> None:
    """Go back to ExaZK as documented; freeze other ExaZKs, so that they do not withdraw too early."""
    node.maintenance("on", "--wait")
    migration.wait_for("only the other nodes announce it", {node.vip: migration.takeovers_of(node)})
    node.vipagent.terminate()
    node.maintenance("off")
    node.start_rollback()
    migration.wait_until("BGP is up", lambda: migration.switch.established(node.name))
    for other in exazks:
        other.freeze()
    node.resume()
    migration.wait_until(
        "the node announces its own VIP", lambda: migration.table()[node.vip].get(node.name) == OWN
    )
    for other in exazks:
        other.resume()
    migration.wait_for("each node announces only its own VIP", migration.converged())


@pytest.mark.timeout(600)
def test_upgrade_and_rollback_node_by_node_keep_every_vip_announced(
    migration: tuple[Migration, Registry],
) -> None:
    service, registry = migration
    since = time.time()
    for node in service.nodes:
        upgrade(service, registry, node)
        service.assert_never_without_route(since)
    assert registry.members() == {node.vip for node in service.nodes}
    rolled_back: list[Balancer] = []
    for node in service.nodes:
        since = time.time()
        roll_back(service, node, rolled_back)
        service.assert_never_without_route(since)
        rolled_back.append(node)


def test_killing_a_frozen_exazk_keeps_its_vip_announced(migration: tuple[Migration, Registry]) -> None:
    service, registry = migration
    node = service.nodes[0]
    since = time.time()
    freeze(service, node)
    node.kill()
    service.wait_for("each node announces only its own VIP", service.converged())
    assert node.vip in registry.members()
    service.assert_never_without_route(since)
