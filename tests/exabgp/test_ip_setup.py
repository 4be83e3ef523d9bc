"""VIPs on the loopback interface, from before the first announcement until after the withdrawal (--ip-setup).

Runs in a separate network namespace.
"""

import ctypes
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
from tests.servers.exabgp import VERSIONS
from tests.servers.process import Process, wait_for
from tests.servers.realtime import ALL_FIRST, family, going_first
from tests.servers.zookeeper import ZooKeeper
from vipagent.testing.slowness import allowed

OWN, THERE, POOLED, LATER = (f"10.20.255.{number}" for number in (1, 2, 3, 4))
SETS = ("bounding-set", "inh-caps")
SIX = "2001:db8::1"
CLONE_NEWNET = 0x40000000
LOGGED = re.compile(r"^\[(\S+)\] (Deleted )?\d+: lo\s+inet6? ([0-9a-f.:]+)/", re.MULTILINE)
END_WITHIN = 2.0
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
"""Time of each change, and whether the item was added or removed."""

libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def network() -> Iterator[None]:
    """An empty network namespace for this thread and its child processes."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        ip("link", "set", "lo", "up")
        yield
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(before)


def ip(*arguments: str) -> str:
    return subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, check=True, timeout=allowed(10)
    ).stdout


def on_loopback() -> set[str]:
    [interface] = json.loads(ip("-j", "address", "show", "dev", "lo"))
    return {there["local"] for there in interface["addr_info"] if there["scope"] == "global"}


class Addresses:
    """Changes of the addresses on the loopback interface, with times."""

    def __init__(self, directory: Path) -> None:
        self.process = Process("ip", ["ip", "-ts", "monitor", "address"], directory / "addresses")

    def start(self) -> None:
        """Start watching, and add one address to verify it."""
        self.process.start()
        wait_for("an address is seen", self._added)

    def changes(self, address: str) -> Changes:
        """Return all changes of an address."""
        return [
            (not gone, datetime.fromisoformat(at).astimezone().timestamp())
            for at, gone, named in LOGGED.findall(self.process.said())
            if named == address
        ]

    def _added(self) -> bool:
        ip("address", "replace", f"{THERE}/32", "dev", "lo")
        return bool(self.changes(THERE))


@pytest.mark.usefixtures("network")
def test_a_vip_is_there_before_its_announcement_and_goes_after_its_withdrawal(tmp_path: Path) -> None:
    with everything(tmp_path) as (box, addresses):
        addresses.start()
        configure(box, OWN, OWN, THERE, POOLED, SIX)
        box.launch()
        box.wait_for({OTHERS_ROUTE: None, OWN: 100})
        assert on_loopback() == {OWN, THERE, POOLED, SIX}
        came(addresses, box, OWN)

        configure(box, LATER, THERE, LATER)
        box.reload()
        box.wait_for({OTHERS_ROUTE: None, LATER: 100})
        box.wait_until("removed VIPs are gone", lambda: on_loopback() == {THERE, LATER})
        came(addresses, box, LATER)
        went(addresses, box, OWN)

        pid = box.pid()
        with going_first(lambda: family(pid), ALL_FIRST):
            os.kill(pid, signal.SIGTERM)
            box.wait_until("a new agent is running", lambda: box.pid() != pid)
        went(addresses, box, LATER)
        box.exabgp.terminate()
        wait_for("only the initial address is left", lambda: on_loopback() == {THERE})
        assert all(there for there, _ in addresses.changes(THERE))


@pytest.mark.usefixtures("network")
def test_the_end_comes_soon_with_a_frozen_zookeeper_and_an_exabgp_that_says_nothing(tmp_path: Path) -> None:
    zookeeper = ZooKeeper(tmp_path / "zookeeper", tick=1000)
    options = ["--service", "apex", "--node", "node1", "--auth-ip", OWN, "--rise", "1", "--ip-setup"]
    command = agent("run", *options, *zookeeper_options(zookeeper, "/exabgp"))
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        try:
            zookeeper.start()
            said = tmp_path / "log"
            wait_for("it is registered", lambda: "register service=apex" in said.read_text(), 20)
            assert on_loopback() == {OWN}
            zookeeper.process.signal(signal.SIGSTOP)
            with going_first(lambda: family(run.pid), ALL_FIRST):  # its child process removes the addresses
                run.terminate()
                assert run.wait(allowed(END_WITHIN)) == 0
            assert on_loopback() == set()
        finally:
            run.kill()
            zookeeper.process.signal(signal.SIGCONT)
            zookeeper.stop()


@pytest.mark.usefixtures("network")
def test_what_is_being_tried_again_does_not_hold_up_the_end(tmp_path: Path) -> None:
    zookeeper = ZooKeeper(tmp_path / "zookeeper", tick=1000)
    no_ipv6 = "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6"
    subprocess.run(["sh", "-c", no_ipv6], check=True, timeout=allowed(10))
    options = ["--service", "apex", "--node", "node1", "--rise", "1", "--ip-setup", "--vip", SIX]
    options += [*zookeeper_options(zookeeper, "/exabgp"), "--auth-ip", OWN]
    command = [sys.executable, "-c", SLOW_TO_CLOSE, "run", *options]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as run,
    ):
        try:
            zookeeper.start()
            wait_for("it has started", lambda: "state=connected" in (tmp_path / "log").read_text(), 20)
            assert on_loopback() == {OWN}
            wait_for("a child process retries", lambda: stop_child(run.pid), 20)
            run.terminate()
            assert run.wait(allowed(20)) == 0
            assert on_loopback() == set()
        finally:
            run.kill()
            zookeeper.stop()


def stop_child(pid: int) -> bool:
    """Freeze the child process that adds addresses; return whether there is one."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # it may exit at any time
            if b"vipagent.agent.netlink" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGSTOP)
                return True
    return False


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("version", VERSIONS)
def test_what_cannot_be_set_up_is_left_to_the_others_until_it_is_there(tmp_path: Path, version: str) -> None:
    """As with ExaBGP's default user, which cannot change addresses."""
    box = Box(tmp_path / "box", version, before=["setpriv", *(f"--{set_}=-net_admin" for set_ in SETS)])
    checked = {"rise": 1, "command": "true", "interval": 0.3, "settle": 60, "ip_setup": True}
    services = {"apex": {"auth_ip": OWN, **checked}, "web": {"auth_ip": THERE, **checked}}
    ip("address", "add", f"{THERE}/32", "dev", "lo")
    try:
        box.configure(services)
        box.launch()
        box.wait_for({OTHERS_ROUTE: None, THERE: 100})
        box.wait_until("the reason is known", lambda: states(box) == {"apex": "no-address", "web": "serving"})
        assert owners(box) == {"apex": None, "web": "node1"}
        assert "CAP_NET_ADMIN" in box.said()
        assert f"announce route {OWN}" not in box.said()

        ip("address", "add", f"{OWN}/32", "dev", "lo")
        box.wait_for({OTHERS_ROUTE: None, THERE: 100, OWN: 100}, 40)
        box.wait_until("all is well", lambda: owners(box) == {"apex": "node1", "web": "node1"})
        assert box.said().count("cannot add address") == 1, "it is logged once, not every 10 s"
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
def everything(directory: Path) -> Iterator[tuple[Box, Addresses]]:
    box, addresses = Box(directory / "box", "5"), Addresses(directory)
    try:
        yield box, addresses
    finally:
        box.stop()
        addresses.process.terminate()


def configure(box: Box, own: str, *pool: str) -> None:
    checked = {"rise": 1, "command": "true", "interval": 0.3}
    box.configure({"apex": {"auth_ip": own, "vip": pool, "settle": 60, "ip_setup": True, **checked}})


def came(addresses: Addresses, box: Box, vip: str) -> None:
    """Assert that an address was added before its VIP was announced."""
    assert first(addresses.changes(vip), True) < first(announcements(box, vip), True)


def went(addresses: Addresses, box: Box, vip: str) -> None:
    """Assert that an address was removed after its VIP was withdrawn."""
    assert first(addresses.changes(vip), False) > first(announcements(box, vip), False)


def announcements(box: Box, vip: str) -> Changes:
    return [(change.added, change.at) for change in box.switch.changes() if change.prefix == f"{vip}/32"]


def first(changes: Changes, there: bool) -> float:
    return next(at for came, at in changes if came == there)
