"""ExaZKs are replaced one by one on one tree, and put back, with no VIP unserved (S2, docs/migration.md)."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.exabgp import exazk
from tests.exabgp.lab import OWN, SERVICE, SWITCH, TAKEN, agent, never_without_route, peer, vip
from tests.exabgp.registry import Registry
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import wait_for
from tests.servers.zookeeper import ZooKeeper
from vipagent.migration.exazk import read
from vipagent.migration.join import imported
from vipagent.migration.render import text

PERIOD = 0.5
"""Seconds between two polls of the ExaZKs here."""
QUICK = "    interval: 0.3\n    rise: 1\n    release_delay: 1\n    drain_delay: 1\n"
"""What the tests add to the imported configuration; it ends in the service's keys."""
WITHIN = 30.0

Table = dict[str, dict[str, int | None]]


@dataclass(frozen=True, slots=True)
class Tree:
    """What all three have in common: their ExaBGP's version, and where they register."""

    settings: Settings
    hosts: str
    prefix: str


class Balancer:
    """One load balancer: an ExaBGP that runs ExaZK, and one that runs what replaces it."""

    def __init__(self, number: int, directory: Path, switch: Bird, speaker: Peer, tree: Tree) -> None:
        self.name, self.vip = speaker.name, vip(number)
        directory.mkdir()
        old = directory / "exazk.yml"
        old.write_text(_exazk(number, speaker.name, tree))
        self.config = directory / "vipagent.yaml"
        self.config.write_text(text(imported([str(old)], read, {}), "the tests") + QUICK)
        at = (switch.address, switch.port)
        stand_in = [sys.executable, str(Path(exazk.__file__)), str(old), str(PERIOD)]
        self.exazk = ExaBGP(tree.settings, directory / "exazk", speaker, at, {"exazk": stand_in})
        new = agent("run", "--config", str(self.config))
        self.vipagent = ExaBGP(tree.settings, directory / "vipagent", speaker, at, {"agent": new})

    def maintenance(self, action: str, *options: str) -> None:
        """Begin or end this node's maintenance, as an operator does."""
        about = ("--node", self.name, "--config", str(self.config))
        command = agent("maintenance", action, SERVICE, *about, *options)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr

    def said(self) -> str:
        """What both have logged last."""
        return f"{self.exazk.heard('exazk')}{self.vipagent.heard('agent')}"[-3000:]

    def stop(self) -> None:
        """End both."""
        self.exazk.stop()
        self.vipagent.stop()


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
        try:
            wait_for(what, lambda: vips.items() <= self.table().items(), WITHIN)
        except AssertionError as error:
            heard = "\n".join(f"{node.name}: {node.said()}" for node in self.nodes)
            raise AssertionError(f"{error}; the table is {self.table()}\n{heard}") from None

    def assert_never_dark(self, since: float) -> None:
        """Assert from the switch's log that each VIP has had a route all the time, from its owner on."""
        for node in self.nodes:
            changes = [c for c in self.switch.changes(since) if c.prefix == f"{node.vip}/32"]
            assert never_without_route(changes, [node.name]), (node.vip, changes)

    def stop(self) -> None:
        """End all."""
        for node in self.nodes:
            node.stop()
        self.switch.stop()


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
def migration(
    request: pytest.FixtureRequest, zookeeper: ZooKeeper, tmp_path: Path
) -> Iterator[tuple[Migration, Registry]]:
    prefix = f"/migration/{request.param}"
    migration = Migration(tmp_path, Tree(Settings(request.param), zookeeper.address, prefix))
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


def upgrade(migration: Migration, registry: Registry, node: Balancer) -> None:
    """Replace an ExaZK, step by step as docs/migration.md says."""
    registry.remove("service", node.vip)
    migration.wait_for("the others serve it, too", {node.vip: {node.name: OWN, **migration.taken_from(node)}})
    node.maintenance("on")
    migration.wait_for("the others alone serve it", {node.vip: migration.taken_from(node)})
    node.exazk.terminate()
    node.vipagent.start()
    wait_for("it shows its state", lambda: node.name in registry.states(), WITHIN)
    assert node.vip not in registry.members()
    node.maintenance("off")
    migration.wait_for("it serves its own VIP again", migration.steady())


def downgrade(migration: Migration, node: Balancer) -> None:
    """Put an ExaZK back."""
    node.maintenance("on", "--wait")
    migration.wait_for("the others alone serve it", {node.vip: migration.taken_from(node)})
    node.vipagent.terminate()
    node.maintenance("off")
    node.exazk.start()
    migration.wait_for("it serves its own VIP again", migration.steady())


def test_node_by_node_and_back_with_no_vip_unserved(migration: tuple[Migration, Registry]) -> None:
    service, registry = migration
    since = time.time()
    for node in service.nodes:
        upgrade(service, registry, node)
        service.assert_never_dark(since)
    assert registry.members() == {node.vip for node in service.nodes}
    # Back again: as long as a vipagent is left among the others, its release_delay covers ExaZK's start.
    since = time.time()
    for node in service.nodes[:2]:
        downgrade(service, node)
        service.assert_never_dark(since)
