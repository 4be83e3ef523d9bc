"""Recent decisions of two real agents in status and log (with the `file` store)."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.benchmark.program import Program
from tests.servers.process import wait_for
from vipagent.store.layout import DEFAULT_PREFIX, Directory, Kind
from vipagent.testing.slowness import allowed

ONE, TWO = "10.20.255.1", "10.20.255.2"
START_TIMEOUT = 30.0
"""Timeout in seconds of conditions that include program starts."""


def agent(number: int, store: Sequence[str], log: Path) -> Program:
    options = [
        "--service=apex",
        f"--node=node{number}",
        f"--auth-ip=10.20.255.{number}",
        f"--vip={ONE}",
        f"--vip={TWO}",
    ]
    return Program(["vipagent", "run", *options, *store, "--rise=1", "--settle=0", "--log-format=json"], log)


def published_events(store: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the events of `vipagent status`: node, VIP, old, new, rule, cause."""
    command = [sys.executable, "-m", "vipagent", "status", "apex", "--events", "--json", *store]
    [status] = json.loads(
        subprocess.run(command, capture_output=True, check=True, timeout=allowed(30)).stdout
    )
    assert [event["at"] for event in status["events"]] == sorted(event["at"] for event in status["events"])
    fields = ("node", "vip", "old", "new", "rule", "cause")
    return [tuple(event[name] for name in fields) for event in status["events"]]


def test_a_takeover_is_reported_by_status_and_by_the_log(tmp_path: Path) -> None:
    store = ["--backend=file", f"--hosts={tmp_path}"]
    log = tmp_path / "survivor.log"
    members = Directory(Kind.MEMBERS, "apex").path(f"{tmp_path}{DEFAULT_PREFIX}")
    with ExitStack() as agents:
        victim = agents.enter_context(agent(1, store, tmp_path / "victim.log"))
        wait_for("the victim is registered", (Path(members) / ONE).exists, START_TIMEOUT)
        survivor = agents.enter_context(agent(2, store, log))
        since = survivor.wait_for(f"withdraw route {ONE}", 0.0).at  # it has seen the owner's registration
        survivor.wait_for(f"announce route {TWO}", 0.0)
        victim.kill()
        survivor.wait_for(f"announce route {ONE}", since)
        options = ("node2", TWO, "", "rank 0 (owner)", "A1")
        takeover = ("node2", ONE, "withdrawn (standby)", "rank 1 (takeover)", "A2", "members")
        wait_for(
            "the takeover is published", lambda: takeover in published_events(store), START_TIMEOUT, every=0.1
        )
        first, *rest = published_events(store)
        assert (first[:-1], rest) == (options, [takeover])
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [logged] = [line for line in lines if line.get("reason") == "takeover"]
    assert (logged["message"], logged["service"]) == ("announce", "apex")
    assert ("node2", *(logged[name] for name in ("vip", "old", "new", "rule", "cause"))) == takeover
