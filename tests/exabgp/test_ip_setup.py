"""VIPs on the loopback interface, from before the announcement until after the withdrawal (--ip-setup).

Runs in a separate network namespace.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.exabgp.box import OTHERS_ROUTE, Box
from tests.exabgp.conftest import zookeeper_options
from tests.exabgp.lab import agent
from tests.exabgp.misconfigurations import without
from tests.exabgp.namespace import ip
from tests.servers.exabgp import VERSIONS
from tests.servers.process import Process, wait_for
from tests.servers.realtime import REALTIME_INHERITED, family, realtime_priority
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

OWN, PRESENT, POOL_ONLY, NEW = (f"10.20.255.{number}" for number in (1, 2, 3, 4))
IPV6 = "2001:db8::1"
MONITOR_LINE = re.compile(r"^\[(\S+)\] (Deleted )?\d+: lo\s+inet6? ([0-9a-f.:]+)/", re.MULTILINE)
SHUTDOWN_TIMEOUT = 2.0
"""Maximum shutdown time in seconds (E3)."""

SLOW_TO_CLOSE = """
import subprocess, sys, time
from vipagent.agent.agent import Agent
from vipagent.cli.main import main

def close(agent, close=Agent.close):
    until = time.monotonic() + 8
    while time.monotonic() < until and sys.argv[-1] in subprocess.check_output(["ip", "address"], text=True):
        time.sleep(0.01)
    close(agent)

Agent.close = close
main()
"""
"""An agent that blocks for up to 8 s while it closes, until an address is removed."""

Changes = list[tuple[bool, float]]
"""Whether an item was added, and the time in seconds, for each change."""


def loopback_addresses() -> set[str]:
    """Return the global addresses of the loopback interface."""
    [interface] = json.loads(ip("-j", "address", "show", "dev", "lo"))
    return {address["local"] for address in interface["addr_info"] if address["scope"] == "global"}


class Addresses:
    """Record the changes of addresses on the loopback interface, with times."""

    def __init__(self, directory: Path) -> None:
        self.process = Process("ip", ["ip", "-ts", "monitor", "address"], directory / "addresses")

    def start(self) -> None:
        """Start watching, and add one address to verify it."""
        self.process.start()
        wait_for("an address is seen", self._added)

    def changes(self, address: str) -> Changes:
        """Return all changes of an address."""
        return [
            (not deleted, datetime.fromisoformat(at).astimezone().timestamp())
            for at, deleted, changed in MONITOR_LINE.findall(self.process.output())
            if changed == address
        ]

    def _added(self) -> bool:
        ip("address", "replace", f"{PRESENT}/32", "dev", "lo")
        return bool(self.changes(PRESENT))


@pytest.mark.usefixtures("network")
def test_an_address_is_added_before_the_announcement_and_removed_after_the_withdrawal(tmp_path: Path) -> None:
    with box_and_addresses(tmp_path) as (box, addresses):
        addresses.start()
        configure(box, OWN, OWN, PRESENT, POOL_ONLY, IPV6)
        box.launch()
        box.wait_for({OTHERS_ROUTE: None, OWN: 100})
        assert loopback_addresses() == {OWN, PRESENT, POOL_ONLY, IPV6}
        assert_added_before_announcement(addresses, box, OWN)

        configure(box, NEW, PRESENT, NEW)
        box.reload()
        box.wait_for({OTHERS_ROUTE: None, NEW: 100})
        box.wait_until("removed VIPs are gone", lambda: loopback_addresses() == {PRESENT, NEW})
        assert_added_before_announcement(addresses, box, NEW)
        assert_removed_after_withdrawal(addresses, box, OWN)

        pid = box.pid()
        with realtime_priority(lambda: family(pid), REALTIME_INHERITED):
            os.kill(pid, signal.SIGTERM)
            box.wait_until("a new agent is running", lambda: box.pid() != pid)
        assert_removed_after_withdrawal(addresses, box, NEW)
        box.exabgp.terminate()
        wait_for("only the initial address is left", lambda: loopback_addresses() == {PRESENT})
        assert all(added for added, _ in addresses.changes(PRESENT))


@pytest.mark.usefixtures("network")
def test_a_frozen_zookeeper_and_a_silent_exabgp_do_not_delay_the_shutdown(tmp_path: Path) -> None:
    zookeeper = ZooKeeper(tmp_path / "zookeeper", tick=1000)
    options = ["--service", "apex", "--node", "node1", "--auth-ip", OWN, "--rise", "1", "--ip-setup"]
    command = agent("run", *options, *zookeeper_options(zookeeper, "/exabgp"))
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        try:
            zookeeper.start()
            log_file = tmp_path / "log"
            wait_for("the agent is registered", lambda: "register service=apex" in log_file.read_text(), 20)
            assert loopback_addresses() == {OWN}
            zookeeper.process.signal(signal.SIGSTOP)
            # inherited, because a child process removes the addresses
            with realtime_priority(lambda: family(run.pid), REALTIME_INHERITED):
                run.terminate()
                assert run.wait(allowed(SHUTDOWN_TIMEOUT)) == 0
            assert loopback_addresses() == set()
        finally:
            run.kill()
            zookeeper.process.signal(signal.SIGCONT)
            zookeeper.stop()


@pytest.mark.usefixtures("network")
def test_a_retry_does_not_delay_the_shutdown(tmp_path: Path) -> None:
    zookeeper = ZooKeeper(tmp_path / "zookeeper", tick=1000)
    no_ipv6 = "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"
    subprocess.run(["sh", "-c", no_ipv6], check=True, timeout=allowed(10))
    options = ["--service", "apex", "--node", "node1", "--rise", "1", "--ip-setup", "--vip", IPV6]
    options += [*zookeeper_options(zookeeper, "/exabgp"), "--auth-ip", OWN]
    command = [sys.executable, "-c", SLOW_TO_CLOSE, "run", *options]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        try:
            zookeeper.start()
            wait_for(
                "the store is connected", lambda: "state=connected" in (tmp_path / "log").read_text(), 20
            )
            assert loopback_addresses() == {OWN}
            wait_for("a child process retries", lambda: freeze_child(run.pid), 20)
            run.terminate()
            assert run.wait(allowed(20)) == 0
            assert loopback_addresses() == set()
        finally:
            run.kill()
            zookeeper.stop()


def freeze_child(pid: int) -> bool:
    """Freeze the child process that adds addresses; return whether there is one."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it may exit at any time
            if b"vipagent.agent.netlink" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGSTOP)
                return True
    return False


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("version", VERSIONS)
def test_a_vip_is_not_announced_before_its_address_exists(tmp_path: Path, version: str) -> None:
    """As with ExaBGP's default user, which cannot change addresses."""
    box = Box(
        tmp_path / "box",
        version,
        command_prefix=without("net_admin"),
    )
    checked = {"rise": 1, "command": "true", "interval": 0.3, "settle": 60, "ip_setup": True}
    services = {"apex": {"auth_ip": OWN, **checked}, "web": {"auth_ip": PRESENT, **checked}}
    ip("address", "add", f"{PRESENT}/32", "dev", "lo")
    try:
        box.configure(services)
        box.launch()
        box.wait_for({OTHERS_ROUTE: None, PRESENT: 100})
        box.wait_until(
            "the status shows the reason", lambda: states(box) == {"apex": "no-address", "web": "serving"}
        )
        assert owners(box) == {"apex": None, "web": "node1"}
        assert "CAP_NET_ADMIN" in box.agent_log()
        assert f"announce route {OWN}" not in box.agent_log()

        ip("address", "add", f"{OWN}/32", "dev", "lo")
        box.wait_for({OTHERS_ROUTE: None, PRESENT: 100, OWN: 100}, 40)
        box.wait_until("both VIPs are served", lambda: owners(box) == {"apex": "node1", "web": "node1"})
        assert box.agent_log().count("cannot add address") == 1, "it must be logged once, not every 10 s"
    finally:
        box.stop()


def status(box: Box) -> list[dict[str, Any]]:
    command = agent("status", "--json", "--config", str(box.file))
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    services: list[dict[str, Any]] = json.loads(shown)
    return services


def states(box: Box) -> dict[str, str]:
    return {service["service"]: node["state"] for service in status(box) for node in service["nodes"]}


def owners(box: Box) -> dict[str, str | None]:
    return {service["service"]: vip["owner"] for service in status(box) for vip in service["vips"]}


@contextmanager
def box_and_addresses(directory: Path) -> Iterator[tuple[Box, Addresses]]:
    box, addresses = Box(directory / "box", "5"), Addresses(directory)
    try:
        yield box, addresses
    finally:
        box.stop()
        addresses.process.terminate()


def configure(box: Box, own: str, *pool: str) -> None:
    checked = {"rise": 1, "command": "true", "interval": 0.3}
    box.configure({"apex": {"auth_ip": own, "vip": pool, "settle": 60, "ip_setup": True, **checked}})


def assert_added_before_announcement(addresses: Addresses, box: Box, vip: str) -> None:
    """Assert that an address was added before its VIP was announced."""
    assert time_of_first(addresses.changes(vip), True) < time_of_first(announcements(box, vip), True)


def assert_removed_after_withdrawal(addresses: Addresses, box: Box, vip: str) -> None:
    """Assert that an address was removed after its VIP was withdrawn."""
    assert time_of_first(addresses.changes(vip), False) > time_of_first(announcements(box, vip), False)


def announcements(box: Box, vip: str) -> Changes:
    return [(change.added, change.at) for change in box.switch.changes() if change.prefix == f"{vip}/32"]


def time_of_first(changes: Changes, added: bool) -> float:
    """Return the time of the first addition or removal."""
    return next(at for change, at in changes if change == added)
