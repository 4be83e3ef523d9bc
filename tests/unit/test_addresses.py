import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vipagent.testing.slowness import allowed

NEW_NAMESPACE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
WITHOUT_CAPABILITY = 'set -- setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"'
GOOD = ["child", sys.executable]
UNKNOWN = "cannot check whether the address exists, keeping the last known state"
UP = "ip link set lo up"
PROGRAM = """
import asyncio, json, logging, subprocess, sys
from vipagent.agent import addresses

logged = []
class Collector(logging.Handler):
    def emit(self, record):
        logged.append([record.getMessage(), record.fields])
logging.getLogger().addHandler(Collector())
logging.getLogger("vipagent").setLevel(logging.INFO)

def on_loopback():
    interface, = json.loads(subprocess.check_output(["ip", "-j", "address", "show", "dev", "lo"]))
    return sorted(f"{a['local']}/{a['prefixlen']}" for a in interface["addr_info"] if a["scope"] == "global")

async def main():
    loopback, NOW = addresses.Loopback(), on_loopback
    outcome = {}
    for name, (verb, *vips) in json.loads(sys.argv[1]).items():
        before = loopback.added
        if verb == "run":
            subprocess.run(vips, check=True)
        elif verb == "child":
            (sys.executable,), addresses.TIME_LIMIT = vips, 10.0
        elif verb == "hurry":
            addresses.TIME_LIMIT = 0.3
        else:
            retry = lambda _: loopback.retry()
            await {"add": loopback.set_desired, "retry": retry, "remove": loopback.remove}[verb](vips)
        done = sorted(before ^ loopback.added)
        outcome[name] = {"done": done, "missing": sorted(loopback.missing), "there": NOW()}
    loaded = [name for name in sys.modules if name.startswith("pyroute2")]
    print(json.dumps({**outcome, "logged": logged, "loaded": loaded}))

asyncio.run(main())
"""


def in_namespace(prepare: str = UP, **steps: list[str]) -> dict[str, Any]:
    """Run the steps in a temporary network namespace."""
    command = [*NEW_NAMESPACE, "sh", "-c", f'{prepare}; exec "$@"', "sh"]
    ended = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM, json.dumps(steps)],
        check=False,
        capture_output=True,
        text=True,
        timeout=allowed(60),
    )
    assert ended.returncode == 0, ended.stderr
    outcome: dict[str, Any] = json.loads(ended.stdout)
    return outcome


def test_addresses_are_added_and_removed() -> None:
    vips = ["10.9.0.1", "10.8.0.0/24", "2001:db8::1", "2001:db8:1::/64"]
    there = ["10.8.0.0/24", "10.9.0.1/32", "2001:db8:1::/64", "2001:db8::1/128"]
    seen = in_namespace(first=["add", *vips], second=["remove", *vips])
    assert seen["first"] == {"done": sorted(vips), "missing": [], "there": there}
    assert seen["second"] == {"done": sorted(vips), "missing": [], "there": []}
    assert seen["logged"] == []
    assert seen["loaded"] == []


def test_existing_addresses_are_not_removed() -> None:
    seen = in_namespace(
        "ip address add 10.9.0.1/32 dev lo; ip address add 2001:db8::1/128 dev lo",
        first=["add", "10.9.0.1", "10.9.0.2", "2001:db8::1", "2001:db8::2"],
        second=["remove", "10.9.0.2", "2001:db8::2"],
        third=["remove", "10.9.0.2", "2001:db8::2"],
    )
    assert seen["first"]["done"] == ["10.9.0.2", "2001:db8::2"]
    assert seen["second"] == {
        "done": ["10.9.0.2", "2001:db8::2"],
        "missing": [],
        "there": ["10.9.0.1/32", "2001:db8::1/128"],
    }
    assert seen["third"] == {"done": [], "missing": [], "there": ["10.9.0.1/32", "2001:db8::1/128"]}
    assert seen["logged"] == []


def test_no_addresses() -> None:
    seen = in_namespace(first=["add"])
    assert seen["first"] == {"done": [], "missing": [], "there": []}


def test_a_thousand_addresses_at_once() -> None:
    vips = [f"2001:db8:aaaa:bbbb:cccc:dddd:eeee:{n:x}" for n in range(1000, 2000)]
    assert len(in_namespace(first=["add", *vips])["first"]["done"]) == 1000


@pytest.mark.parametrize(
    ("prepare", "vip", "remedy"),
    [
        (WITHOUT_CAPABILITY, "10.9.0.1", "CAP_NET_ADMIN"),
        (
            "ip link set lo up; echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
            "2001:db8::1",
            "IPv6 is disabled",
        ),
    ],
)
def test_failure_is_logged_with_a_remedy(prepare: str, vip: str, remedy: str) -> None:
    seen = in_namespace(prepare, first=["add", vip], second=["retry"])
    assert seen["first"] == seen["second"] == {"done": [], "missing": [vip], "there": []}
    ((message, fields),) = seen["logged"]  # logged once, not at each attempt
    assert message == "cannot add address, not announcing the VIP"
    assert fields["vip"] == vip
    assert remedy in fields["error"]


def test_existing_addresses_suffice_without_permission() -> None:
    there = "10.9.0.1/32 10.8.0.0/24 2001:db8::1/128"
    vips = ["10.9.0.1", "10.9.0.2", "10.8.0.0/24", "2001:db8::1", "2001:db8::2"]
    prepare = f"ip link set lo up; for there in {there}; do ip address add $there dev lo; done"
    seen = in_namespace(f"{prepare}; {WITHOUT_CAPABILITY}", first=["add", *vips])
    assert seen["first"]["missing"] == ["10.9.0.2", "2001:db8::2"]
    assert seen["first"]["done"] == [], "existing addresses must not be removed"


def test_retry_adds_missing_addresses() -> None:
    off, on = (f"echo {number} > /proc/sys/net/ipv6/conf/lo/disable_ipv6" for number in (1, 0))
    seen = in_namespace(
        f"ip link set lo up; {off}",
        first=["add", "10.9.0.1", "2001:db8::1"],
        heal=["run", "sh", "-c", on],
        second=["retry"],
    )
    assert seen["first"] == {"done": ["10.9.0.1"], "missing": ["2001:db8::1"], "there": ["10.9.0.1/32"]}
    assert seen["second"]["done"] == ["2001:db8::1"]
    assert seen["second"]["missing"] == []
    assert [message for message, _ in seen["logged"]] == [
        "cannot add address, not announcing the VIP",
        "address exists",
    ]


FAILING = pytest.mark.parametrize(
    ("program", "error"),
    [
        (None, "cannot start the helper process: "),
        ("#!/bin/sh\nexec sleep 60", "did not finish within 0.3 s"),
        ("#!/bin/sh\necho no memory; exit 3", "exited with status 3: no memory"),
        ("#!/bin/sh\nkill -9 $$", "exited with status -9"),
    ],
    ids=["not started", "late", "failed", "killed"],
)


def failing(directory: Path, program: str | None) -> dict[str, list[str]]:
    """Return the steps that replace the child with a program, or with a missing file."""
    file = directory / "child"
    if program is None:
        return {"bad": ["child", str(file)]}
    file.write_text(program)
    file.chmod(0o755)
    return {"bad": ["child", str(file)], "hurry": ["hurry"] if "sleep" in program else ["run", "true"]}


@FAILING
def test_a_failed_child_keeps_the_known_state_of_each_vip(
    tmp_path: Path, program: str | None, error: str
) -> None:
    vips = ["10.9.0.1", "10.9.0.2", "2001:db8::1"]
    seen = in_namespace(
        "ip link set lo up; ip address add 10.9.0.1/32 dev lo; "
        "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6",
        first=["add", *vips],
        **failing(tmp_path, program),
        second=["add", *vips],
        third=["retry"],
        last=["remove", "10.9.0.1"],
    )
    there = ["10.9.0.1/32", "10.9.0.2/32"]
    assert seen["first"] == {"done": ["10.9.0.2"], "missing": ["2001:db8::1"], "there": there}
    for later in ("second", "third", "last"):
        assert seen[later] == {"done": [], "missing": ["2001:db8::1"], "there": there}
    (_, refused), *unknown = seen["logged"]
    assert refused["vip"] == "2001:db8::1"
    assert [(message, fields["vip"]) for message, fields in unknown] == [
        (UNKNOWN, "10.9.0.1"),
        (UNKNOWN, "2001:db8::1"),
    ], "logged once, not at each attempt"
    assert all(error in fields["error"] for _, fields in unknown)


@FAILING
def test_a_vip_with_unknown_state_is_retried(tmp_path: Path, program: str | None, error: str) -> None:
    seen = in_namespace(
        UP,
        **failing(tmp_path, program),
        first=["add", "10.9.0.1"],
        second=["retry"],
        good=GOOD,
        third=["retry"],
    )
    assert seen["first"] == seen["second"] == {"done": [], "missing": [], "there": []}
    assert seen["third"] == {"done": ["10.9.0.1"], "missing": [], "there": ["10.9.0.1/32"]}
    (message, fields), (healed, _) = seen["logged"]
    assert (message, fields["vip"], healed) == (UNKNOWN, "10.9.0.1", "address exists")
    assert error in fields["error"]


def test_results_of_a_child_before_its_failure_are_used() -> None:
    seen = in_namespace(
        "ip link set lo up; ip address add 10.9.0.2/32 dev lo",
        first=["add", "10.9.0.1", "10.9.0.2", "no-address"],
        second=["remove", "10.9.0.1", "10.9.0.2"],
    )
    assert seen["first"]["done"] == ["10.9.0.1"]
    assert seen["first"]["missing"] == []
    assert seen["second"]["there"] == ["10.9.0.2/32"], "existing addresses must not be removed"
    ((message, fields),) = seen["logged"]
    assert (message, fields["vip"]) == (UNKNOWN, "no-address")
    assert "'no-address' does not appear to be an IPv4 or IPv6 network" in fields["error"]


def test_removed_vips_are_not_retried(tmp_path: Path) -> None:
    seen = in_namespace(
        UP,
        **failing(tmp_path, None),
        first=["add", "10.9.0.1"],
        good=GOOD,
        second=["add", "10.9.0.2"],
        third=["retry"],
    )
    assert seen["second"] == {"done": ["10.9.0.2"], "missing": [], "there": ["10.9.0.2/32"]}
    assert seen["third"] == {"done": [], "missing": [], "there": ["10.9.0.2/32"]}


def test_an_externally_deleted_address_is_added_again_on_request() -> None:
    seen = in_namespace(
        first=["add", "10.9.0.1"],
        gone=["run", "ip", "address", "del", "10.9.0.1/32", "dev", "lo"],
        second=["remove", "10.9.0.1"],
        third=["add", "10.9.0.1"],
    )
    assert seen["third"] == {"done": ["10.9.0.1"], "missing": [], "there": ["10.9.0.1/32"]}
