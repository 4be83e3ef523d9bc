"""Random changes at random times: finally the switch's table matches the configuration (A6, E1).

A single load balancer. Each SIGHUP loads a new random configuration: VIPs and their MEDs.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.exabgp.box import OTHERS_ROUTE, Box, boxes
from tests.servers.process import wait_for

SEEDS = 100
SEEDS_PER_OUTAGE = 20
"""Number of seeds, each with separate prefixes, that share one loss of the BGP session."""
PREFIXES_PER_SEED = 6
MEDS = (None, 100, 200, 300)
SERVICES, VIPS_PER_SERVICE, COMMANDS = 25, 40, 20_000

Meds = Mapping[str, int]
"""The MED of each announced VIP."""


def test_the_table_matches_the_configuration_after_bursts_and_session_losses(tmp_path: Path) -> None:
    with boxes(tmp_path) as both:
        for box in both:
            configure(box, {"10.0.0.1": 100})
            box.launch()
        for box in both:
            box.wait_for({OTHERS_ROUTE: None, "10.0.0.1": 100}, 20)
        for first in range(0, SEEDS, SEEDS_PER_OUTAGE):
            generators = [random.Random(seed) for seed in range(first, first + SEEDS_PER_OUTAGE)]
            reload_repeatedly(both, generators, generators[0].randint(0, 3))
            for box in both:
                box.switch.disable("node1")
            reload_repeatedly(both, generators, generators[0].randint(0, 5))
            for box in both:
                box.switch.enable("node1")
            meds = reload_repeatedly(both, generators, generators[0].randint(1, 2))
            for box in both:
                box.wait_for({OTHERS_ROUTE: None, **meds}, 20)


def test_twenty_thousand_commands_do_not_block_exabgp(tmp_path: Path) -> None:
    """ExaBGP blocks forever once 13,107 of its replies are unread."""
    disabled = tmp_path / "disabled"
    shared = {"rise": 1, "settle": 0, "interval": 0.2, "fast_interval": 0.2, "disable": str(disabled)}
    pools = [
        [f"10.1.{service}.{number}" for number in range(VIPS_PER_SERVICE)] for service in range(SERVICES)
    ]
    services = {f"s-{pool[0]}": {**shared, "auth_ip": pool[0], "vip": pool} for pool in pools}
    with boxes(tmp_path) as both:
        for box in both:
            box.configure(services, watchdog=60)  # long, because the watchdog is not tested here
            box.launch()
        pids = [box.pid() for box in both]
        for _ in range(COMMANDS // (SERVICES * VIPS_PER_SERVICE) // 2):
            wait_for_routes(both, SERVICES * VIPS_PER_SERVICE)
            disabled.touch()
            wait_for_routes(both, 0)
            disabled.unlink()
        assert all(len(box.switch.changes()) >= COMMANDS for box in both)
        assert [box.pid() for box in both] == pids


def configure(box: Box, meds: Meds) -> None:
    """Configure one service per VIP."""
    box.configure({f"s-{vip}": {"auth_ip": vip, "rise": 1, "med": med} for vip, med in meds.items()})


def reload_repeatedly(both: Iterable[Box], generators: Sequence[random.Random], length: int) -> Meds:
    """Apply rapid changes to both, and return the last MEDs."""
    meds: Meds = {}
    for _ in range(length):
        meds = random_meds(generators)
        for box in both:
            configure(box, meds)
            box.reload()
        until = time.monotonic() + generators[0].choice((0.0, 0.02, 0.1))
        wait_for("the next change is due", lambda: time.monotonic() >= until)  # noqa: B023
    return meds


def random_meds(generators: Iterable[random.Random]) -> Meds:
    """Choose the MEDs of each seed with its own random generator."""
    choices = {
        f"10.{seed}.0.{number}": generator.choice(MEDS)
        for seed, generator in enumerate(generators)
        for number in range(PREFIXES_PER_SEED)
    }
    return {vip: med for vip, med in choices.items() if med is not None}


def wait_for_routes(both: Iterable[Box], number: int) -> None:
    """Wait until both switches have this number of the agent's routes."""
    for box in both:
        wait_for(f"ExaBGP {box.version}: {number} routes", lambda: len(box.table()) == number + 1, 30, 0.1)  # noqa: B023
