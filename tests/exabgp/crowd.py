"""The other nodes of a pool: thousands of VIPs whose owners fail and come back at once."""

import re
import resource
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType

from tests.exabgp.box import Box
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Kind
from vipagent.store.records import Registration
from vipagent_file import folders

SERVICE = "apex"
OWN_VIP = "10.20.255.1"
FIRST_VIP = ip_address("10.30.0.1")
DESCRIPTORS = 1000
"""File descriptors for everything but the registrations."""
HOLD = 9
"""BGP hold time in seconds: ExaBGP counts as hung after a quarter of it without a line (N2)."""
BAD_SIGNS = ("ExaBGP does not answer", "established=False", "ExaBGP rejected", "deregister", "internal error")
"""What the agent must not log: a hang, a lost session, a missing reply, a dropped registration, a bug."""


class Crowd:
    """The registrations of the other nodes in a box's store; this process holds them.

    Args:
        box: the load balancer.
        size: the number of other nodes, each the owner of one VIP.
    """

    def __init__(self, box: Box, size: int) -> None:
        self.vips = {f"other{number}": str(FIRST_VIP + number) for number in range(size)}
        self._members = Path(f"{box.store}{Directory(Kind.MEMBERS, SERVICE).path(DEFAULT_PREFIX)}")
        self._new = box.store.with_name("new")
        self._held = ExitStack()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, size + DESCRIPTORS)), hard))

    def prepare(self) -> None:
        """Create all registrations outside of the store."""
        self._new.mkdir(exist_ok=True)
        for node, vip in self.vips.items():
            registration = Registration(node=node, instance="1")
            self._held.callback(folders.put(self._new / vip, registration.dump(), hold=True).release)

    def register(self) -> None:
        """Move all registrations into the store."""
        self._members.mkdir(parents=True, exist_ok=True)
        for vip in self.vips.values():
            (self._new / vip).rename(self._members / vip)

    def die(self) -> None:
        """End all registrations, as the kernel does when their nodes crash."""
        self._held.close()

    def __enter__(self) -> "Crowd":
        """Register all VIPs."""
        self.prepare()
        self.register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all registrations."""
        self.die()


def launch(box: Box, crowd: Crowd) -> None:
    """Start the last node of the pool, and wait until it has registered its own VIP."""
    pool = {"node1": OWN_VIP, **crowd.vips}
    service = {"auth_ip": OWN_VIP, "vip": pool, "rise": 1, "settle": 0, "release_delay": 0.5}
    box.configure({SERVICE: service})
    box.launch()
    box.wait_for_log(f"register service={SERVICE}", within=30)
    wait_for_routes(box, 0, 10)


def wait_for_routes(box: Box, number: int, within: float) -> None:
    """Wait until the switch has this number of routes besides the node's own one and another process's."""
    box.wait_until(f"{number} routes", lambda: count_routes(box) == number + 2, within)


def count_routes(box: Box) -> int:
    """Return the number of routes of the switch."""
    found = re.search(r"(\d+) of \d+ routes", box.switch.ask("show route count"))
    return int(found[1]) if found else 0


def bad_signs(box: Box) -> list[str]:
    """Return the lines of the agent's log that a take-over must not cause."""
    return [line for line in box.agent_log().splitlines() if any(sign in line for sign in BAD_SIGNS)]
