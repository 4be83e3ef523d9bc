"""ORIGIN is the rank past the first AS, too (A3), and its spelling makes ExaBGP send a route again (A6)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TextIO

import pytest

from tests.exabgp import lab
from tests.servers import bird
from tests.servers.bird import Bird, Peer, Updates
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import free_port, wait_for
from vipagent.core.actions import Preference
from vipagent.exabgp.route import RoleAttributes, Roles, RouteSettings, announce, recipients, respelled
from vipagent.testing.slowness import allowed

ASN = bird.ASN + 1
"""The load balancer's AS number."""
PLAIN = RouteSettings(next_hop=("2001:db8:9::9",))
"""IPv6 routes in a session over IPv4 need a next hop."""
COMMUNITIES = replace(
    PLAIN,
    community=("65000:1", "65000:2"),
    large_community=("65000:1:2",),
    extended_community=("origin:65000:1",),
)
SETTINGS = (
    PLAIN,
    replace(PLAIN, local_as=ASN, prepend=2),
    COMMUNITIES,
    replace(PLAIN, local_preference=200, med=0, med_step=0, local_preference_step=0),
    replace(PLAIN, next_hop=("127.0.0.9", "2001:db8:9::9"), path_id=7),
    replace(
        COMMUNITIES,
        local_as=ASN,
        prepend=1,
        roles=Roles(standby=RoleAttributes(community=("65000:3",), local_preference=50)),
    ),
)
PREFERENCES = {
    Preference(0): "IGP",
    Preference(1): "EGP",
    Preference(2): "Incomplete",
    Preference(3): "Incomplete",
    Preference(1, draining=True): "Incomplete",
    Preference(2, draining=True): "Incomplete",
}
CASES = tuple(product(range(len(SETTINGS)), PREFERENCES))


@dataclass(frozen=True, slots=True)
class Speaker:
    """An ExaBGP that is told what to announce, and its switches."""

    switches: Sequence[Bird]
    peer: str
    commands: TextIO

    def send(self, lines: Sequence[str]) -> None:
        """Send commands."""
        self.commands.write("".join(f"{line}\n" for line in lines))
        self.commands.flush()

    def updates(self) -> list[Updates]:
        """Return how many updates each switch has received."""
        return [switch.updates(self.peer) for switch in self.switches]

    def wait_for(self, received: int, unchanged: int) -> None:
        """Wait until each switch has received this number of updates."""
        expected = [Updates(received, unchanged)] * len(self.switches)
        try:
            wait_for(f"{expected}", lambda: self.updates() == expected, 20)
        except AssertionError as error:
            raise AssertionError(f"{error}; they are {self.updates()}") from None


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def speaker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Speaker]:
    """Start an ExaBGP with an eBGP and an iBGP neighbour."""
    peer = Peer("node1", "127.0.0.11", ASN, free_port("127.0.0.11"))
    switches = [
        Bird(tmp_path / f"switch{asn}", f"127.0.0.{100 + number}", [peer], asn=asn)
        for number, asn in enumerate((bird.ASN, ASN))
    ]
    pipe = tmp_path / "commands"
    os.mkfifo(pipe, 0o666)
    pipe.chmod(0o666)
    cat = shutil.which("cat")
    assert cat
    neighbors = [neighbor for switch in switches for neighbor in switch.neighbors]
    exabgp = ExaBGP(
        Settings(request.param), tmp_path / "node1", peer, neighbors, {"speaker": [cat, str(pipe)]}
    )
    with ExitStack() as stack:
        for switch in switches:
            stack.callback(switch.stop)
            switch.start()
        stack.callback(exabgp.stop)
        exabgp.start()
        commands = stack.enter_context(pipe.open("w"))
        for switch in switches:
            wait_for("the session is up", lambda: switch.established(peer.name), 20)  # noqa: B023
        yield Speaker(switches, peer.name, commands)


def lines(speaker: Speaker) -> list[str]:
    """Return the announcements of all cases, each of an IPv4 and an IPv6 VIP."""
    kinds = {switch.address: switch.asn == ASN for switch in speaker.switches}
    return [
        line
        for number, (settings, preference) in enumerate(CASES)
        for vip in (f"10.1.0.{number}", f"2001:db8::1:{number:x}")
        for line in announce(SETTINGS[settings], vip, preference, recipients(SETTINGS[settings], kinds))
    ]


def test_a6_another_spelling_of_any_route_is_sent_again_and_changes_nothing(speaker: Speaker) -> None:
    first, routes = lines(speaker), 2 * len(CASES)
    speaker.send(first)
    speaker.wait_for(routes, 0)
    tables = [switch.routes() for switch in speaker.switches]
    for resends, again in enumerate(([respelled(line) for line in first], first), 1):
        speaker.send(again)
        speaker.wait_for(routes * (1 + resends), routes * resends)
    speaker.send([*first, "announce route 10.9.9.9/32 next-hop self"])
    speaker.wait_for(routes * 3 + 1, routes * 2)
    for switch, table in zip(speaker.switches, tables, strict=True):
        assert {prefix: found for prefix, found in switch.routes().items() if prefix in table} == table
        for number, (_, preference) in enumerate(CASES):
            for prefix in (f"10.1.0.{number}/32", f"2001:db8::1:{number:x}/128"):
                assert [route.origin for route in table[prefix]] == [PREFERENCES[preference]]


class Site:
    """Two nodes, each in its own AS, without `prepend` and `local_as`, at one switch.

    The switch prefers the first node among routes that are equal otherwise, and compares no MEDs of different
    ASes. Each node's check succeeds while its file `fails` does not exist.
    """

    def __init__(self, directory: Path, version: str, **options: object) -> None:
        peers = [lab.peer(number) for number in (1, 2)]
        self.vip = lab.vip(1)
        self.fails = directory / "fails1"
        self.switch = Bird(directory / "switch", lab.SWITCH, peers)
        self._store, self.directory = directory / "store", directory
        self._store.mkdir()
        self.nodes = [
            ExaBGP(
                Settings(version),
                directory / peer.name,
                peer,
                self.switch.neighbors,
                {"agent": lab.agent("run", "--config", str(self._configure(number, options)))},
            )
            for number, peer in enumerate(peers, 1)
        ]

    def _configure(self, number: int, options: Mapping[str, object]) -> Path:
        file = self.directory / f"node{number}.json"
        checked = {
            "command": f"test ! -e {self.directory}/fails{number}",
            "interval": 0.3,
            "rise": 1,
            "fall": 1,
        }
        service = {
            **{"auth_ip": lab.vip(number), "vip": [lab.vip(1), lab.vip(2)], "address_check": False},
            **{"settle": 0, "release_delay": 0.5, **checked, **options},
        }
        common = {"node": f"node{number}", "backend": "file", "hosts": [str(self._store)]}
        file.write_text(json.dumps({**common, "services": {lab.SERVICE: service}}))
        return file

    def operate(self, *words: str) -> None:
        """Run an operator's command with the first node's configuration."""
        subprocess.run(
            lab.agent(*words, "--config", str(self.directory / "node1.json")), check=True, timeout=allowed(20)
        )

    def best_first(self) -> list[tuple[str, int | None, str]]:
        """Return node, MED and ORIGIN of each route of the first node's VIP."""
        routes = self.switch.routes().get(f"{self.vip}/32", [])
        return [(route.peer, route.med, route.origin) for route in routes]

    def wait_for(self, *expected: tuple[str, int, str]) -> None:
        """Wait for routes of the first node's VIP, the best one first."""
        try:
            wait_for(f"{expected}", lambda: self.best_first() == list(expected), 30)
        except AssertionError as error:
            logs = "\n".join(node.stderr_of("agent")[-2000:] for node in self.nodes)
            raise AssertionError(f"{error}; they are {self.best_first()}\n{logs}") from None

    def fail(self) -> None:
        """Let the first node's check fail until the second node serves its VIP, then succeed again."""
        self.fails.touch()
        self.wait_for(TAKER)
        self.fails.unlink()


OWNER, TAKER, LOWEST = ("node1", 100, "IGP"), ("node2", 200, "EGP"), ("node1", 300, "Incomplete")
"""Node, MED and ORIGIN of a route of the first node's VIP."""


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    version, options = request.param
    created = Site(tmp_path, version, **options)
    with ExitStack() as stack:
        stack.callback(created.switch.stop)
        created.switch.start()
        for node in created.nodes:
            stack.callback(node.stop)
            node.start()
        created.wait_for(OWNER)
        yield created


def with_each_version(**options: object) -> pytest.MarkDecorator:
    """Run a test with both versions of ExaBGP, and these options of the service."""
    versions = [(version, options) for version in VERSIONS]
    return pytest.mark.parametrize("site", versions, ids=[f"exabgp{v}" for v in VERSIONS], indirect=True)


@with_each_version(drain_delay=60)
def test_h2_a_taker_of_another_as_is_preferred_to_a_drained_owner(site: Site) -> None:
    site.operate("maintenance", "on", lab.SERVICE, "--node", "node1")
    site.wait_for(TAKER, LOWEST)
    site.operate("maintenance", "off", lab.SERVICE, "--node", "node1")
    site.wait_for(OWNER)


@with_each_version(flap_hold={"seconds": 60, "count": 2})
def test_h4_a_taker_of_another_as_is_preferred_to_a_held_owner(site: Site) -> None:
    site.fail()
    site.wait_for(OWNER)
    site.fail()
    site.wait_for(TAKER, LOWEST)
