"""Carrier of the neighbours' interfaces, and local VIPs, from the kernel (N3).

Runs in a separate network namespace, with both ends of each link in it.
"""

import asyncio
import errno
import json
import socket
import subprocess
import time
from collections.abc import Callable, Coroutine, Set
from pathlib import Path
from typing import Any

import pytest

from tests.exabgp.lab import agent
from tests.exabgp.namespace import ip
from tests.servers.process import wait_for
from vipagent.core.events import AddressesNotLocal
from vipagent.engine.inputs import FromNetwork, LinksDown
from vipagent.network import watcher
from vipagent.network.watcher import NetworkWatcher
from vipagent.testing.slowness import allowed

pytestmark = pytest.mark.usefixtures("network")

PEER, PEER6, LINK_LOCAL = "10.1.0.2", "2001:db8:1::2", "fe80::2%near"
BEHIND, BEHIND6 = "10.9.0.1", "2001:db8:9::1"
ALL = {PEER, PEER6, LINK_LOCAL}


class Watched:
    """A watcher, and what it has reported."""

    def __init__(self) -> None:
        self.reports: list[FromNetwork] = []
        self.times: list[float] = []
        self.changed = asyncio.Event()
        self.watcher = NetworkWatcher(self._on_change)

    @property
    def down(self) -> dict[str, str]:
        """The neighbours that were last reported as down."""
        return self.downs[-1] if self.downs else {}

    @property
    def downs(self) -> list[dict[str, str]]:
        """The neighbours that each report showed as down."""
        return [dict(report.peers) for report in self.reports if isinstance(report, LinksDown)]

    @property
    def interfaces(self) -> dict[str, str]:
        """The interfaces of the neighbours as last reported."""
        found = [report for report in self.reports if isinstance(report, LinksDown)]
        return dict(found[-1].interfaces) if found else {}

    @property
    def not_local(self) -> Set[str] | None:
        """The VIPs that were last reported as not local; None before the first report."""
        found = [report for report in self.reports if isinstance(report, AddressesNotLocal)]
        return found[-1].vips if found else None

    async def wait_for(self, condition: Callable[[], bool], seconds: float = 5) -> None:
        """Wait until a report makes a condition true."""
        async with asyncio.timeout(allowed(seconds)):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def is_down(self, down: dict[str, str], seconds: float = 5) -> None:
        """Wait until exactly these neighbours are down."""
        try:
            await self.wait_for(lambda: self.down == down, seconds)
        except TimeoutError:
            raise AssertionError(f"{self.down} is not {down}") from None

    async def stays(self, down: dict[str, str]) -> None:
        """Check that nothing changes for a while."""
        await asyncio.sleep(0.3)
        assert self.down == down

    def _on_change(self, change: FromNetwork) -> None:
        self.reports.append(change)
        self.times.append(time.monotonic())
        self.changed.set()


@pytest.fixture
def links(network: None) -> None:
    """Create two links: near-far with the neighbours, and other-remote."""
    for ends, number in ((("near", "far"), "1"), (("other", "remote"), "2")):
        ip("link", "add", "name", ends[0], "type", "veth", "peer", "name", ends[1])
        for end in ends:
            ip("link", "set", end, "up")
        ip("address", "add", f"10.{number}.0.1/24", "dev", ends[0])
        ip("address", "add", f"2001:db8:{number}::1/64", "dev", ends[0], "nodad")


async def ip_(*arguments: str) -> None:
    """Run `ip` while the loop goes on."""
    process = await asyncio.create_subprocess_exec("ip", *arguments)
    assert await process.wait() == 0, arguments


def watch(test: Callable[[Watched], Coroutine[Any, Any, None]], *peers: str) -> Watched:
    """Run a test with a watcher that follows these neighbours."""

    async def run() -> Watched:
        watched = Watched()
        watched.watcher.open()
        watched.watcher.follow(frozenset(peers))
        watched.watcher.check_local(frozenset())
        await watched.wait_for(lambda: watched.not_local is not None)
        await asyncio.sleep(0.05)  # the interfaces are listed
        try:
            await test(watched)
        finally:
            watched.watcher.close()
        return watched

    return asyncio.run(run())


@pytest.mark.usefixtures("links")
class TestCarrier:
    def test_interface_set_down_and_up(self) -> None:
        async def test(watched: Watched) -> None:
            await watched.stays({})
            await ip_("link", "set", "near", "down")
            await watched.is_down(dict.fromkeys(ALL, "near"))
            await ip_("link", "set", "near", "up")
            await watched.is_down({PEER6: "near"})  # its address is gone, so its route is
            await ip_("address", "add", "2001:db8:1::1/64", "dev", "near", "nodad")
            await watched.is_down({})

        watch(test, *ALL)

    def test_interfaces_of_the_neighbours_are_known_while_all_is_well(self) -> None:
        local = ("127.0.0.100", "::1", "10.1.0.1")

        async def test(watched: Watched) -> None:
            expected = dict.fromkeys(ALL, "near") | dict.fromkeys(local, "lo")
            await watched.wait_for(lambda: watched.interfaces == expected)
            assert watched.down == {}

        watch(test, *ALL, *local, "fe80::2", "name")

    def test_lost_carrier(self) -> None:
        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            await watched.is_down(dict.fromkeys(ALL, "near"))
            await ip_("link", "set", "far", "up")
            await watched.is_down({})

        watch(test, *ALL)

    def test_already_down_at_the_start(self) -> None:
        ip("link", "set", "far", "down")

        async def test(watched: Watched) -> None:
            await watched.is_down(dict.fromkeys(ALL, "near"))

        watched = watch(test, *ALL)
        assert len([report for report in watched.reports if isinstance(report, LinksDown)]) == 1

    def test_default_route_does_not_hide_a_lost_link(self) -> None:
        ip("route", "add", "default", "via", "10.2.0.9")
        ip("-6", "route", "add", "default", "via", "2001:db8:2::9")

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "near", "down")
            await watched.is_down({PEER: "near", PEER6: "near"})
            await watched.stays({PEER: "near", PEER6: "near"})
            await ip_("link", "set", "near", "up")
            await watched.is_down({PEER6: "near"})

        watch(test, PEER, PEER6)

    def test_default_route_is_believed_in_the_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vipagent.network.carrier.FALLBACK_TIME", 1.0)
        monkeypatch.setattr(watcher, "ROUTES_INTERVAL", 0.2)
        ip("route", "add", "default", "via", "10.2.0.9")

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "near", "down")
            await watched.is_down({PEER: "near"})
            await watched.is_down({})

        watch(test, PEER)

    def test_route_change_to_another_interface(self) -> None:
        async def test(watched: Watched) -> None:
            await ip_("route", "add", f"{PEER}/32", "dev", "other")
            await ip_("address", "add", "192.0.2.1/32", "dev", "lo")  # a route alone causes no notification
            await asyncio.sleep(0.2)
            await ip_("link", "set", "near", "down")
            await watched.stays({})
            await ip_("link", "set", "remote", "down")
            await watched.is_down({PEER: "other"})
            await ip_("link", "set", "remote", "up")
            await watched.is_down({})
            assert watched.downs == [{}, {}, {PEER: "other"}, {}], "by near, by other, which went down and up"

        watch(test, PEER)

    def test_route_change_without_a_notification(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watcher, "ROUTES_INTERVAL", 0.1)

        async def test(watched: Watched) -> None:
            await ip_("route", "add", f"{PEER}/32", "dev", "other")
            await asyncio.sleep(0.3)
            await ip_("link", "set", "remote", "down")
            await watched.is_down({PEER: "other"})

        watch(test, PEER)

    def test_gateway(self) -> None:
        ip("route", "add", f"{BEHIND}/32", "via", PEER)
        ip("-6", "route", "add", f"{BEHIND6}/128", "via", PEER6)

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            await watched.is_down({BEHIND: "near", BEHIND6: "near"})
            await ip_("route", "replace", f"{BEHIND}/32", "via", "10.2.0.2")
            await ip_("-6", "route", "replace", f"{BEHIND6}/128", "via", "2001:db8:2::2")
            await ip_("link", "set", "near", "down")
            await watched.is_down({})

        watch(test, BEHIND, BEHIND6)

    def test_gateway_with_a_second_route_is_never_down(self) -> None:
        ip("route", "add", f"{BEHIND}/32", "via", PEER)
        ip("route", "add", f"{BEHIND}/32", "via", "10.2.0.2", "metric", "100")

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "near", "down")
            await watched.stays({})
            assert not any(watched.downs)
            await ip_("link", "set", "other", "down")
            await watched.is_down({BEHIND: "other"})

        watch(test, BEHIND)

    def test_several_hops_are_down_only_together(self) -> None:
        ip("route", "add", f"{BEHIND}/32", "nexthop", "via", PEER, "nexthop", "via", "10.2.0.2")
        hops6 = ("nexthop", "via", PEER6, "nexthop", "via", "2001:db8:2::2")
        ip("-6", "route", "add", f"{BEHIND6}/128", *hops6)

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            await watched.stays({})
            await ip_("link", "set", "remote", "down")
            await watched.is_down({BEHIND: "near,other", BEHIND6: "near,other"})
            await ip_("link", "set", "far", "up")
            await watched.is_down({})

        watch(test, BEHIND, BEHIND6)

    @pytest.mark.parametrize("compatible", ["0", "1"])
    def test_group_of_next_hops(self, compatible: str) -> None:
        """The kernel removes a next hop without a carrier from its group, and with the last one the route."""
        Path("/proc/sys/net/ipv4/nexthop_compat_mode").write_text(compatible)
        for number, (via, device) in enumerate(((PEER, "near"), ("10.2.0.2", "other")), 1):
            ip("nexthop", "add", "id", str(number), "via", via, "dev", device)
        ip("nexthop", "add", "id", "10", "group", "1/2")
        ip("route", "add", f"{BEHIND}/32", "nhid", "10")

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            await watched.stays({})
            await ip_("link", "set", "remote", "down")
            await watched.is_down({BEHIND: "other"})
            await ip_("link", "set", "far", "up")
            await watched.stays({BEHIND: "other"})
            await ip_("route", "add", f"{BEHIND}/32", "via", PEER)
            await ip_("address", "add", "192.0.2.1/32", "dev", "lo")  # a route alone causes no notification
            await watched.is_down({})

        watch(test, BEHIND)

    def test_interface_renamed(self) -> None:
        async def test(watched: Watched) -> None:
            await ip_("link", "set", "near", "down")
            await watched.is_down(dict.fromkeys(ALL, "near"))
            await ip_("link", "set", "near", "name", "moved")
            await watched.is_down(dict.fromkeys(ALL, "moved"))
            await ip_("link", "set", "moved", "up")
            await watched.is_down({PEER6: "moved"})
            await ip_("link", "set", "moved", "name", "near")
            await watched.is_down({PEER6: "near"})

        watch(test, *ALL)

    def test_interface_deleted_and_created_again(self) -> None:
        async def test(watched: Watched) -> None:
            await ip_("link", "delete", "near")
            await watched.is_down(dict.fromkeys(ALL, "near"))
            await ip_("link", "add", "name", "near", "type", "veth", "peer", "name", "far")
            for end in ("near", "far"):
                await ip_("link", "set", end, "up")
            await watched.is_down({PEER: "near", PEER6: "near"})
            await ip_("address", "add", "10.1.0.1/24", "dev", "near")
            await ip_("address", "add", "2001:db8:1::1/64", "dev", "near", "nodad")
            await watched.is_down({})

        watch(test, *ALL)

    @pytest.mark.parametrize("kind", ["vlan", "macvlan", "bridge", "bond"])
    def test_stacked_interface_follows_its_lower_one(self, kind: str) -> None:
        lower, upper = "near", "upper"
        create(kind, upper, lower)
        ip("link", "set", upper, "up")
        ip("address", "add", "10.5.0.1/24", "dev", upper)
        wait_for_carrier(upper)

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            if kind == "bond":  # its second interface is still up
                await watched.stays({})
                await ip_("link", "set", "remote", "down")
            await watched.is_down({"10.5.0.2": upper})
            await ip_("link", "set", "far", "up")
            await watched.is_down({})

        watch(test, "10.5.0.2")

    def test_neighbours_that_are_never_down(self) -> None:
        """Local, unknown and unreachable ones, and a link-local one without an interface."""
        ip("route", "add", "unreachable", "10.7.0.0/24")
        local, unknown = ("127.0.0.100", "::1", "10.1.0.1"), ("fe80::2", "fe80::2%absent", "name")
        unreachable = ("10.77.0.1", "10.7.0.1")

        async def test(watched: Watched) -> None:
            await ip_("link", "set", "near", "down")
            await ip_("link", "delete", "other")
            await watched.stays({})

        watch(test, *local, *unknown, *unreachable)

    def test_neighbours_can_be_replaced(self) -> None:
        async def test(watched: Watched) -> None:
            await ip_("link", "set", "far", "down")
            await watched.is_down({PEER: "near"})
            watched.watcher.follow(frozenset({PEER, LINK_LOCAL, "10.2.0.2"}))
            await watched.is_down({PEER: "near", LINK_LOCAL: "near"})
            watched.watcher.follow(frozenset({"10.2.0.2"}))
            await watched.is_down({})

        watch(test, PEER)

    def test_lost_notifications_are_made_up_for(self) -> None:
        async def test(watched: Watched) -> None:
            notifications = watched.watcher._notifications
            assert notifications
            notifications.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            ip("link", "set", "far", "down")  # the loop reads nothing in the meantime
            for number in range(50):
                ip("address", "add", f"192.0.2.{number}/32", "dev", "lo")
            ip("link", "delete", "other")
            watched.watcher.check_local(frozenset({"192.0.2.49"}))
            await watched.is_down({PEER: "near", "10.2.0.2": "other"})
            ip("address", "delete", "192.0.2.49/32", "dev", "lo")
            await watched.wait_for(lambda: watched.not_local == {"192.0.2.49"})

        watch(test, PEER, "10.2.0.2")


class TestLocal:
    def test_addresses_and_local_routes(self) -> None:
        vips = {"10.3.0.1", "10.4.0.0/24", "10.4.0.0/25", "2001:db8:3::1", "2001:db8:4::/64", "10.1.0.1"}
        ip("address", "add", "10.3.0.1/32", "dev", "lo")
        ip("route", "add", "local", "2001:db8:4::/64", "dev", "lo")

        async def test(watched: Watched) -> None:
            watched.watcher.check_local(frozenset(vips))
            missing = {"10.4.0.0/24", "10.4.0.0/25", "2001:db8:3::1", "10.1.0.1"}
            await watched.wait_for(lambda: watched.not_local == missing)
            await ip_("address", "add", "2001:db8:3::1/128", "dev", "lo")
            await watched.wait_for(lambda: watched.not_local == missing - {"2001:db8:3::1"})
            await ip_("address", "add", "10.4.0.0/32", "dev", "lo")
            await watched.wait_for(lambda: watched.not_local == {"10.1.0.1"})
            await ip_("address", "add", "10.1.0.99/24", "dev", "lo")  # all its prefix is local
            await watched.wait_for(lambda: watched.not_local == set())
            await ip_("address", "delete", "10.1.0.99/24", "dev", "lo")
            await ip_("address", "delete", "10.3.0.1/32", "dev", "lo")
            await watched.wait_for(lambda: watched.not_local == {"10.1.0.1", "10.3.0.1"})
            watched.watcher.check_local(frozenset({"10.1.0.1"}))
            await watched.wait_for(lambda: watched.not_local == {"10.1.0.1"})

        watched = watch(test)
        assert watched.reports[0] == AddressesNotLocal(frozenset())

    def test_local_route_without_a_notification(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("vipagent.network.local.FULL_CHECK_INTERVAL", 0.2)

        async def test(watched: Watched) -> None:
            watched.watcher.check_local(frozenset({"10.4.0.0/24"}))
            await watched.wait_for(lambda: watched.not_local == {"10.4.0.0/24"})
            await ip_("route", "add", "local", "10.4.0.0/24", "dev", "lo")
            await watched.wait_for(lambda: watched.not_local == set())

        watch(test)

    def test_many_are_checked_in_slices(self) -> None:
        vips = frozenset(f"10.{number >> 8}.{number & 255}.1" for number in range(10_000))

        async def test(watched: Watched) -> None:
            longest, before = 0.0, time.thread_time()
            watched.watcher.check_local(vips)
            while watched.not_local != vips:
                turn = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - turn)
            assert longest < allowed(0.005)
            assert time.thread_time() - before < allowed(0.5)

        watch(test)


def test_without_rtnetlink_the_agent_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def forbidden(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("vipagent.network.sockets.Socket.__init__", forbidden)

    async def run() -> Watched:
        watched = Watched()
        watched.watcher.open()
        watched.watcher.follow(frozenset({PEER}))
        watched.watcher.check_local(frozenset({PEER}))
        await asyncio.sleep(0.1)
        watched.watcher.close()
        return watched

    assert asyncio.run(run()).reports == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def create(kind: str, name: str, lower: str) -> None:
    """Create an interface on top of others, or skip the test if the kernel cannot."""
    try:
        if kind == "vlan":
            ip("link", "add", "link", lower, "name", name, "type", "vlan", "id", "5")
        elif kind == "macvlan":
            ip("link", "add", "link", lower, "name", name, "type", "macvlan")
        elif kind == "bridge":
            ip("link", "add", "name", name, "type", "bridge")
            ip("link", "set", lower, "master", name)
        else:
            ip("link", "add", "name", name, "type", "bond", "mode", "active-backup", "miimon", "10")
            for member in (lower, "other"):
                ip("link", "set", member, "down")
                ip("link", "set", member, "master", name)
    except Exception as error:  # noqa: BLE001
        pytest.skip(f"this kernel has no {kind}: {error}")


def wait_for_carrier(name: str) -> None:
    deadline = time.monotonic() + allowed(5)
    while "LOWER_UP" not in json.loads(ip("-j", "link", "show", name))[0]["flags"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("links")
def test_agent_without_privileges_loses_a_neighbour_at_once(tmp_path: Path) -> None:
    """The gate closes with the carrier; no withdrawal is written."""
    options = ["--service", "apex", "--node", "node1", "--auth-ip", "10.3.0.1", "--rise", "1"]
    store = ["--backend", "file", "--hosts", str(tmp_path)]
    dropped = [f"--{capabilities}=-net_admin" for capabilities in ("bounding-set", "inh-caps")]
    command = ["setpriv", *dropped, *agent("run", *options, *store)]
    log = tmp_path / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr) as run,
    ):
        assert run.stdin
        try:
            wait_for("the agent has started", lambda: "started" in log.read_text(), 20)
            event = {"type": "state", "neighbor": {"address": {"peer": PEER}, "state": "up"}}
            run.stdin.write(f"{json.dumps({'exabgp': '4.0.1', **event})}\n".encode())
            run.stdin.flush()
            wait_for("the neighbour is up", lambda: "established=true" in log.read_text().lower())
            time.sleep(0.2)
            ip("link", "set", "far", "down")
            wait_for("the neighbour is down", lambda: "interface=near" in log.read_text())
        finally:
            run.kill()
            output = run.stdout.read().decode() if run.stdout else ""
    assert "withdraw route 10.3.0.1" not in output.partition("announce")[2]
