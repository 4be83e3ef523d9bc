"""Many changes, in any order and at any time: the switch's table is what was wished in the end (A6, E1).

One load balancer without others. Each SIGHUP gives its agent a new random configuration: which VIPs there
are, and with which MED.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, Box, boxes
from tests.servers.process import wait_for

SEEDS = 100
AT_ONCE = 20
"""Seeds that go through one loss of the session together, each with prefixes of its own."""
PREFIXES = 6
"""Per seed."""
MEDS = (None, 100, 200, 300)
SERVICES, EACH, COMMANDS = 25, 40, 20_000

Wish = Mapping[str, int]
"""The MED of each announced VIP."""


def test_after_bursts_and_losses_of_the_session_the_table_is_as_wished(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            ask(box, {"10.0.0.1": 100})
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, "10.0.0.1": 100}, 20)
        for first in range(0, SEEDS, AT_ONCE):
            chances = [random.Random(seed) for seed in range(first, first + AT_ONCE)]
            burst(both, chances, chances[0].randint(0, 3))
            for box in both:
                box.switch.disable("node1")
            burst(both, chances, chances[0].randint(0, 5))
            for box in both:
                box.switch.enable("node1")
            wish = burst(both, chances, chances[0].randint(1, 2))
            for box in both:
                box.wait_for({OTHERS_ROUTE: None, **wish}, 20)


def test_twenty_thousand_commands_through_one_agents_life(tmp_path: Path) -> None:
    """ExaBGP blocks for good once 13,107 of its replies are unread."""
    disabled = tmp_path / "disabled"
    shared = {"rise": 1, "settle": 0, "interval": 0.2, "fast_interval": 0.2, "disable": str(disabled)}
    pools = [[f"10.1.{service}.{number}" for number in range(EACH)] for service in range(SERVICES)]
    services = {f"s-{pool[0]}": {**shared, "auth_ip": pool[0], "vip": pool} for pool in pools}
    with boxes(tmp_path) as both:
        for box in both:
            box.configure(services, watchdog=60)  # which is not what this is about
            box.launch()
        pids = [box.pid() for box in both]
        for _ in range(COMMANDS // (SERVICES * EACH) // 2):
            wait_for_routes(both, SERVICES * EACH)
            disabled.touch()
            wait_for_routes(both, 0)
            disabled.unlink()
        assert all(len(box.switch.changes()) >= COMMANDS for box in both)
        assert [box.pid() for box in both] == pids


def ask(box: Box, wish: Wish) -> None:
    """Configure a service for each VIP, and no others."""
    box.configure({f"s-{vip}": {"auth_ip": vip, "rise": 1, "med": med} for vip, med in wish.items()})


def burst(both: Iterable[Box], chances: Sequence[random.Random], length: int) -> Wish:
    """Apply rapid changes to both, and return the last desired state."""
    wish: Wish = {}
    for _ in range(length):
        wish = random_wish(chances)
        for box in both:
            ask(box, wish)
            box.reload()
        until = time.monotonic() + chances[0].choice((0.0, 0.02, 0.1))
        wait_for("the next change is due", lambda: time.monotonic() >= until)  # noqa: B023
    return wish


def random_wish(chances: Iterable[random.Random]) -> Wish:
    """Generate the desired state of each seed from its own random source."""
    drawn = {
        f"10.{seed}.0.{number}": chance.choice(MEDS)
        for seed, chance in enumerate(chances)
        for number in range(PREFIXES)
    }
    return {vip: med for vip, med in drawn.items() if med is not None}


def wait_for_routes(both: Iterable[Box], number: int) -> None:
    for box in both:
        wait_for(f"ExaBGP {box.version}: {number} routes", lambda: len(box.table()) == number + 1, 30, 0.1)  # noqa: B023
