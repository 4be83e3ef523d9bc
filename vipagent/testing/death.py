"""Entries of agents that are killed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from vipagent.testing.peers import MEMBERS, Peers, Suite, member
from vipagent.testing.store import MAX_PROPAGATION, WAIT_TIMEOUT, SharedStore
from vipagent.types import Claim


@contextmanager
def holder(
    store: SharedStore, node: str, instance: str, names: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that has registered these names; kill and reap it at the end of the block."""
    factory = f"{store.factory.__module__}:{store.factory.__qualname__}"
    order = {**asdict(store.settings(node, instance)), "register": names}
    command = [sys.executable, "-m", "vipagent.testing.holder", factory]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
            assert child.stdout.readline() == b"held\n", f"{factory} in a child process did not register"
            yield child
        finally:
            child.kill()


class ProcessDeath(Suite):
    """Effects of `kill -9` of an agent on other agents."""

    def test_a_killed_process_vanishes(self, peers: Peers, store: SharedStore) -> None:
        """All of its entries, and no others, expire within the store's expiry time."""
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        watcher.register(member(9))
        with holder(store, "node1", "killed", [member(1).name, member(2).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(last).name for last in (1, 2, 9)], WAIT_TIMEOUT)
            with watcher.seen.always_contains(MEMBERS, member(9).name):
                child.kill()
                watcher.seen.wait_names(MEMBERS, [member(9).name], store.expiry)

    def test_the_next_run_replaces_a_killed_one_at_once(self, peers: Peers, store: SharedStore) -> None:
        """ExaBGP restarts a killed agent within 50 ms, which does not wait for the session timeout (G3)."""
        with holder(store, "node1", "killed", [member(1).name]) as child:
            child.kill()
            child.wait()
            again = peers.join("node1")
            again.watch(MEMBERS)
            again.register(member(1))
            again.wait_claim(member(1), Claim.OURS, MAX_PROPAGATION)

    def test_who_waits_for_a_killed_one_gets_its_key(self, peers: Peers, store: SharedStore) -> None:
        """Another node acquires the key as soon as its holder is gone (G3)."""
        waiting = peers.join("node2")
        waiting.watch(MEMBERS)
        with holder(store, "node1", "killed", [member(1).name]) as child:
            waiting.register(member(1))
            waiting.wait_claim(member(1), Claim.OTHER, WAIT_TIMEOUT)
            child.kill()
            waiting.wait_claim(member(1), Claim.OURS, store.expiry + MAX_PROPAGATION)
