"""Many changes, in any order and at any time: the switch's table is what was wished in the end (A6, E1).

One load balancer without others. Each SIGHUP gives its agent a new random configuration: which VIPs there
are, and with which MED.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.exabgp.lab import agent
from tests.servers import bird
from tests.servers.bird import Bird, Peer
from tests.servers.exabgp import VERSIONS, ExaBGP, Settings
from tests.servers.process import free_port, wait_for

SWITCH, ADDRESS = "127.0.0.100", "127.0.0.11"
SEEDS = 100
AT_ONCE = 20
"""Seeds that go through one loss of the session together, each with prefixes of its own."""
PREFIXES = 6
"""Per seed."""
MEDS = (None, 100, 200, 300)
SERVICES, EACH, COMMANDS = 25, 40, 20_000

Wish = Mapping[str, int]
"""The MED of each VIP that is to be announced."""


class Single:
    """One load balancer whose agent has one service, and one VIP, per prefix."""

    def __init__(self, directory: Path, version: str) -> None:
        self.version = version
        peer = Peer("node1", ADDRESS, bird.ASN + 1, free_port(ADDRESS))
        self.switch = Bird(directory / "switch", SWITCH, [peer])
        self._store = directory / "store"
        self._file = directory / "agent.yaml"
        at = (self.switch.address, self.switch.port)
        command = agent("run", "--config", str(self._file))
        self.exabgp = ExaBGP(Settings(version), directory / peer.name, peer, at, {"agent": command})

    def configure(self, services: Mapping[str, Mapping[str, object]]) -> None:
        """Write the agent's configuration: JSON is YAML, too."""
        shared = {"node": "node1", "backend": "file", "hosts": [str(self._store)]}
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({**shared, "services": services}))
        draft.replace(self._file)

    def wish(self, wish: Wish) -> None:
        """Have these VIPs announced, each with its MED, and no others."""
        self.configure({f"s-{vip}": {"auth_ip": vip, "rise": 1, "med": med} for vip, med in wish.items()})

    def reload(self) -> None:
        """Let the agent read its configuration."""
        os.kill(self.exabgp.child(), signal.SIGHUP)

    def start(self) -> None:
        """Start all."""
        self._store.mkdir()
        self.switch.start()
        self.exabgp.start()
        wait_for("the agent has started", lambda: "started" in self.exabgp.heard("agent"))

    def stop(self) -> None:
        """End all."""
        self.exabgp.stop()
        self.switch.stop()

    def wait_for(self, wish: Wish, when: str) -> None:
        """Wait until the switch has learned exactly what is wished."""
        try:
            wait_for("as wished", lambda: self.table() == wish, within=15, every=0.1)
        except AssertionError:
            wrong = differences(self.table(), wish)
            said = self.exabgp.heard("agent")[-5000:]
            raise AssertionError(f"ExaBGP {self.version}, {when}: found, wished: {wrong}\n{said}") from None

    def table(self) -> Wish:
        """Return what the switch has learned."""
        return {
            prefix.partition("/")[0]: routes[0].med or 0 for prefix, routes in self.switch.routes().items()
        }


@contextmanager
def singles(directory: Path) -> Iterator[list[Single]]:
    """Provide one load balancer of each version."""
    with ExitStack() as stack:
        boxes = [Single(directory / version, version) for version in VERSIONS]
        for box in boxes:
            stack.callback(box.stop)
        yield boxes


def random_wish(chances: list[random.Random]) -> Wish:
    """Draw each seed's wish from its own source of chance."""
    drawn = {
        f"10.{seed}.0.{number}": chance.choice(MEDS)
        for seed, chance in enumerate(chances)
        for number in range(PREFIXES)
    }
    return {vip: med for vip, med in drawn.items() if med is not None}


def burst(boxes: list[Single], chances: list[random.Random], length: int) -> Wish:
    """Let quick changes rain down on all boxes alike, and return the last wish."""
    wish: Wish = {}
    for _ in range(length):
        wish = random_wish(chances)
        for box in boxes:
            box.wish(wish)
            box.reload()
        pause = time.monotonic() + chances[0].choice((0.0, 0.02, 0.1))
        wait_for("the next change is due", lambda: time.monotonic() >= pause)  # noqa: B023
    return wish


def test_after_bursts_and_losses_of_the_session_the_table_is_as_wished(tmp_path: Path) -> None:
    with singles(tmp_path) as boxes:
        for box in boxes:
            box.wish({"10.0.0.1": 100})
            box.start()
        for first in range(0, SEEDS, AT_ONCE):
            chances = [random.Random(seed) for seed in range(first, first + AT_ONCE)]
            burst(boxes, chances, chances[0].randint(0, 3))
            for box in boxes:
                box.switch.disable("node1")
            burst(boxes, chances, chances[0].randint(0, 5))
            for box in boxes:
                box.switch.enable("node1")
            wish = burst(boxes, chances, chances[0].randint(1, 2))
            for box in boxes:
                box.wait_for(wish, f"seeds from {first}")


def test_twenty_thousand_commands_through_one_agents_life(tmp_path: Path) -> None:
    """ExaBGP blocks for good once 13,107 of its replies are unread."""
    disabled = tmp_path / "disabled"
    shared = {"rise": 1, "settle": 0, "interval": 0.2, "fast_interval": 0.2, "disable": str(disabled)}
    pools = {
        f"s{service}": [f"10.1.{service}.{number}" for number in range(EACH)] for service in range(SERVICES)
    }
    routes = SERVICES * EACH
    with singles(tmp_path) as boxes:
        for box in boxes:
            box.configure({name: {**shared, "auth_ip": pool[0], "vip": pool} for name, pool in pools.items()})
            box.start()
        pids = [box.exabgp.child() for box in boxes]
        for _ in range(COMMANDS // routes // 2):
            for wanted in (routes, 0):
                for box in boxes:
                    wait_for(f"{box.version}: {wanted} routes", lambda: len(box.table()) == wanted, 30, 0.1)  # noqa: B023
                disabled.unlink() if disabled.exists() else disabled.touch()
        assert all(len(box.switch.changes()) >= COMMANDS for box in boxes)
        assert [box.exabgp.child() for box in boxes] == pids


def differences(table: Wish, wish: Wish) -> dict[str, tuple[int | None, int | None]]:
    """Return what the table has, and what it should have, wherever that is not the same."""
    return {
        vip: (table.get(vip), wish.get(vip))
        for vip in table.keys() | wish.keys()
        if table.get(vip) != wish.get(vip)
    }
