import json
import os
import subprocess
import sys
from typing import Any

import pytest

NEW_NAMESPACE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
PROGRAM = """
import asyncio, json, logging, subprocess, sys
from vipagent.agent import addresses

said = []
class Note(logging.Handler):
    def emit(self, record):
        said.append([record.getMessage(), record.fields])
logging.getLogger().addHandler(Note())

def on_loopback():
    interface, = json.loads(subprocess.check_output(["ip", "-j", "address", "show", "dev", "lo"]))
    return sorted(f"{a['local']}/{a['prefixlen']}" for a in interface["addr_info"] if a["scope"] == "global")

async def main():
    ADD, REMOVE, NOW = addresses.add, addresses.remove, on_loopback
    outcome = {}
    for name, step in json.loads(sys.argv[1]).items():
        done = await {"add": ADD, "remove": REMOVE}[step[0]](step[1:])
        outcome[name] = {"done": sorted(done), "there": NOW()}
    loaded = [name for name in sys.modules if name.startswith("pyroute2")]
    print(json.dumps({**outcome, "said": said, "loaded": loaded}))

asyncio.run(main())
"""


def in_namespace(prepare: str = "ip link set lo up", **steps: list[str]) -> dict[str, Any]:
    """Carry out the steps in a network namespace that is gone afterwards."""
    command = [*NEW_NAMESPACE, "sh", "-c", f'{prepare}; exec "$@"', "sh"]
    ended = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM, json.dumps(steps)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    outcome: dict[str, Any] = json.loads(ended.stdout)
    return outcome


def test_added_and_removed() -> None:
    vips = ["10.9.0.1", "10.8.0.0/24", "2001:db8::1", "2001:db8:1::/64"]
    there = ["10.8.0.0/24", "10.9.0.1/32", "2001:db8:1::/64", "2001:db8::1/128"]
    seen = in_namespace(first=["add", *vips], second=["remove", *vips])
    assert seen["first"] == {"done": sorted(vips), "there": there}
    assert seen["second"] == {"done": sorted(vips), "there": []}
    assert seen["said"] == []
    assert seen["loaded"] == []


def test_only_what_was_not_there_is_ours() -> None:
    seen = in_namespace(
        "ip address add 10.9.0.1/32 dev lo; ip address add 2001:db8::1/128 dev lo",
        first=["add", "10.9.0.1", "10.9.0.2", "2001:db8::1", "2001:db8::2"],
        second=["remove", "10.9.0.2", "2001:db8::2"],
        third=["remove", "10.9.0.2", "2001:db8::2"],
    )
    assert seen["first"]["done"] == ["10.9.0.2", "2001:db8::2"]
    assert seen["second"] == {
        "done": ["10.9.0.2", "2001:db8::2"],
        "there": ["10.9.0.1/32", "2001:db8::1/128"],
    }
    assert seen["third"] == {"done": [], "there": ["10.9.0.1/32", "2001:db8::1/128"]}
    assert seen["said"] == []


def test_nothing_asked_for() -> None:
    seen = in_namespace(first=["add"])
    assert seen["first"] == {"done": [], "there": []}


def test_many_at_once() -> None:
    vips = [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:x}" for n in range(1000, 2000)]
    assert len(in_namespace(first=["add", *vips])["first"]["done"]) == 1000


@pytest.mark.parametrize(
    ("prepare", "vip", "remedy"),
    [
        ('set -- setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"', "10.9.0.1", "CAP_NET_ADMIN"),
        (
            "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
            "2001:db8::1",
            "IPv6 is turned off",
        ),
    ],
)
def test_failure_is_told_with_its_remedy(prepare: str, vip: str, remedy: str) -> None:
    seen = in_namespace(prepare, first=["add", vip])
    assert seen["first"] == {"done": [], "there": []}
    ((message, fields),) = seen["said"]
    assert message == "cannot add address"
    assert fields["vip"] == vip
    assert remedy in fields["error"]


def test_child_that_fails_is_told() -> None:
    seen = in_namespace(first=["add", "no-address"])
    assert seen["first"]["done"] == []
    ((message, fields),) = seen["said"]
    assert message == "cannot add all addresses"
    assert "'no-address' does not appear to be an IPv4 or IPv6 network" in fields["error"]
