"""ExaZKs are replaced one at a time, and rolled back, without downtime (S2, docs/migration.md)."""

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

PERIOD = 0.5
"""Seconds between two polls of the ExaZKs here."""
QUICK = "    interval: 0.3\n    rise: 1\n"
"""What the tests add to the imported configuration; it ends in the service's keys."""
WITHIN = 30.0

Table = dict[str, dict[str, int | None]]


@dataclass(frozen=True, slots=True)
class Tree:
    """What all three have in common: their ExaBGP's version, ExaZK's, and where they register."""

    settings: Settings
    exazk: Version
    hosts: str
    prefix: str


class Balancer:
    """One load balancer: an ExaBGP with ExaZK, one with what replaces it, and one for the way back."""

    def __init__(self, number: int, directory: Path, switch: Bird, speaker: Peer, tree: Tree) -> None:
        self.name, self.vip = speaker.name, vip(number)
        directory.mkdir()
        old = directory / "exazk.yml"
        old.write_text(_exazk(number, speaker.name, tree))
        self.config = directory / "vipagent.yaml"
        self.config.write_text(text(imported([str(old)], read, {}), "the tests") + QUICK)
        at = (switch.address, switch.port)
        run = [sys.executable, exazk.__file__, str(old), tree.exazk.value, str(PERIOD)]
        held = ["/bin/sh", "-c", f"kill -STOP $$; exec {shlex.join(run)}"]
        new = agent("run", "--config", str(self.config))
        self.exazk = ExaBGP(tree.settings, directory / "exazk", speaker, at, {"exazk": run})
        self.vipagent = ExaBGP(tree.settings, directory / "vipagent", speaker, at, {"agent": new})
        self.back = ExaBGP(tree.settings, directory / "back", speaker, at, {"exazk": held})
        self._pid = 0

    def freeze(self) -> None:
        """Stop ExaZK where it is: it announces on, for ExaBGP keeps its routes."""
        self._pid = self._pid or self.exazk.child("exazk")
        os.kill(self._pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue it."""
        os.kill(self._pid, signal.SIGCONT)

    def kill(self) -> None:
        """End a frozen ExaZK."""
        os.kill(self._pid, signal.SIGKILL)
        self._pid = 0

    def start_held(self) -> None:
        """Start the old ExaBGP again, with an ExaZK that waits to be resumed."""
        self.back.start()
        self._pid = self.back.child("exazk")
        wait_for("it is held", lambda: _is_stopped(self._pid))

    def maintenance(self, action: str, *options: str) -> None:
        """Begin or end this node's maintenance, as an operator does."""
        about = ("--node", self.name, "--config", str(self.config))
        command = agent("maintenance", action, SERVICE, *about, *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=allowed(60), check=False)
        assert done.returncode == 0, done.stderr

    def said(self) -> str:
        """What all have logged last."""
        return f"{self.exazk.heard('exazk')}{self.vipagent.heard('agent')}{self.back.heard('exazk')}"[-3000:]

    def stop(self) -> None:
        """Stop all processes."""
        self.exazk.stop()
        self.vipagent.stop()
        self.back.stop()


class Migration:
    """Three load balancers on one ZooKeeper, and their switch."""

    def __init__(self, directory: Path, tree: Tree) -> None:
        peers = [peer(number) for number in (1, 2, 3)]
        self.switch = Bird(directory / "switch", SWITCH, peers)
        self.nodes = [Balancer(n, directory / p.name, self.switch, p, tree) for n, p in enumerate(peers, 1)]

    def others(self, node: Balancer) -> list[Balancer]:
        """Return all but one."""
        return [other for other in self.nodes if other is not node]

    def table(self) -> Table:
        """Return who announces what to the switch, with which MED."""
        return {
            prefix.partition("/")[0]: {route.peer: route.med for route in routes}
            for prefix, routes in self.switch.routes().items()
        }

    def steady(self) -> Table:
        """Return the table in which each announces its own VIP alone."""
        return {node.vip: {node.name: OWN} for node in self.nodes}

    def taken_from(self, node: Balancer) -> dict[str, int | None]:
        """Return who announces a VIP when its owner is gone."""
        return {other.name: TAKEN for other in self.others(node)}

    def wait_for(self, what: str, vips: Table) -> None:
        """Wait until the switch has learned exactly that of these VIPs."""
        self.wait_until(what, lambda: vips.items() <= self.table().items())

    def wait_until(self, what: str, probe: Callable[[], bool]) -> None:
        """Wait for a condition; what all have said is in the failure's report."""
        try:
            wait_for(what, probe, WITHIN)
        except AssertionError as error:
            heard = "\n".join(f"{node.name}: {node.said()}" for node in self.nodes)
            raise AssertionError(f"{error}; the table is {self.table()}\n{heard}") from None

    def assert_never_dark(self, since: float) -> None:
        """Assert from the switch's log that each VIP has had a route all the time, from its owner on."""
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


def _exazk(number: int, node: str, tree: Tree) -> str:
    others = ", ".join(vip(other) for other in (1, 2, 3) if other != number)
    return (
        f"zk_hosts: [ '{tree.hosts}' ]\n"
        f"zk_path_service: {tree.prefix}/service/{SERVICE}\n"
        f"zk_path_maintenance: {tree.prefix}/maintenance/{SERVICE}/{node}\n"
        f"debug: False\nsilent: False\nsyslog: False\nsyslog_facility: daemon\n"
        f"local_check: 'true'\nsrv_name: {SERVICE}\n"
        f"srv_auth_ip: {vip(number)}\nsrv_non_auth_ips: [ {others} ]\n"
    )


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def exabgp(request: pytest.FixtureRequest) -> str:
    """Provide each version of ExaBGP."""
    return str(request.param)


@pytest.fixture(params=Version, ids=lambda version: f"exazk{version.value}")
def migration(
    request: pytest.FixtureRequest, exabgp: str, zookeeper: ZooKeeper, tmp_path: Path
) -> Iterator[tuple[Migration, Registry]]:
    prefix = f"/{request.node.originalname}/{exabgp}/{request.param.value}"
    migration = Migration(tmp_path, Tree(Settings(exabgp), request.param, zookeeper.address, prefix))
    try:
        migration.switch.start()
        for node in migration.nodes:
            node.exazk.start()
        migration.wait_for("three ExaZKs serve", migration.steady())
        with Registry(zookeeper.address, prefix) as registry:
            wait_for("they are registered", lambda: len(registry.members()) == len(migration.nodes))
            yield migration, registry
    finally:
        migration.stop()


def freeze(migration: Migration, node: Balancer) -> None:
    """Freeze an ExaZK until the others serve its VIP, too."""
    node.freeze()
    migration.wait_for("the others serve it, too", {node.vip: {node.name: OWN, **migration.taken_from(node)}})


def upgrade(migration: Migration, registry: Registry, node: Balancer) -> None:
    """Replace an ExaZK, step by step as docs/migration.md says."""
    freeze(migration, node)
    node.maintenance("on")
    node.exazk.process.signal(signal.SIGTERM)
    migration.wait_for("the others alone serve it", {node.vip: migration.taken_from(node)})
    node.kill()
    node.exazk.terminate()
    node.vipagent.start()
    migration.wait_until("it shows its state", lambda: node.name in registry.states())
    assert node.vip not in registry.members()
    node.maintenance("off")
    migration.wait_for("it serves its own VIP again", migration.steady())


def downgrade(migration: Migration, node: Balancer, exazks: Sequence[Balancer]) -> None:
    """Put an ExaZK back, step by step; `exazks` are those that must not let go too early."""
    node.maintenance("on", "--wait")
    migration.wait_for("the others alone serve it", {node.vip: migration.taken_from(node)})
    node.vipagent.terminate()
    node.maintenance("off")
    node.start_held()
    migration.wait_until("BGP is up", lambda: migration.switch.established(node.name))
    for other in exazks:
        other.freeze()
    node.thaw()
    migration.wait_until("it announces", lambda: migration.table()[node.vip].get(node.name) == OWN)
    for other in exazks:
        other.thaw()
    migration.wait_for("it serves its own VIP again", migration.steady())


@pytest.mark.timeout(600)
def test_node_by_node_and_back_with_no_vip_unserved(migration: tuple[Migration, Registry]) -> None:
    service, registry = migration
    since = time.time()
    for node in service.nodes:
        upgrade(service, registry, node)
        service.assert_never_dark(since)
    assert registry.members() == {node.vip for node in service.nodes}
    back: list[Balancer] = []
    for node in service.nodes:
        since = time.time()
        downgrade(service, node, back)
        service.assert_never_dark(since)
        back.append(node)


def test_a_frozen_exazk_that_is_killed_serves_on(migration: tuple[Migration, Registry]) -> None:
    service, registry = migration
    node = service.nodes[0]
    since = time.time()
    freeze(service, node)
    node.kill()
    service.wait_for("it serves its own VIP alone", service.steady())
    assert node.vip in registry.members()
    service.assert_never_dark(since)
