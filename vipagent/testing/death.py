"""Agents that die without a word: what becomes of their entries."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from vipagent.testing.peers import MEMBERS, Peers, Suite, member
from vipagent.testing.store import NOTICE, PATIENCE, SharedStore
from vipagent.types import Claim


@contextmanager
def holder(
    store: SharedStore, node: str, instance: str, names: list[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that has registered these names; it is killed and reaped at the end of the block."""
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
    """What `kill -9` of an agent means to the others."""

    def test_a_killed_process_vanishes(self, peers: Peers, store: SharedStore) -> None:
        """All its entries go within the store's time, and nobody else's."""
        watcher = peers.join("node2")
        watcher.watch(MEMBERS)
        watcher.register(member(9))
        with holder(store, "node1", "killed", [member(1).name, member(2).name]) as child:
            watcher.seen.wait_names(MEMBERS, [member(last).name for last in (1, 2, 9)], PATIENCE)
            with watcher.seen.never_without(MEMBERS, member(9).name):
                child.kill()
                watcher.seen.wait_names(MEMBERS, [member(9).name], store.vanishing)

    def test_the_next_run_replaces_a_killed_one_at_once(self, peers: Peers, store: SharedStore) -> None:
        """ExaBGP starts a killed agent again within 50 ms: no session time-out is waited for (G3)."""
        with holder(store, "node1", "killed", [member(1).name]) as child:
            child.kill()
            child.wait()
            again = peers.join("node1")
            again.watch(MEMBERS)
            again.register(member(1))
            again.wait_claim(member(1), Claim.OURS, NOTICE)

    def test_who_waits_for_a_killed_one_gets_its_key(self, peers: Peers, store: SharedStore) -> None:
        """Another node that was refused has the key as soon as its holder is gone (G3)."""
        waiting = peers.join("node2")
        waiting.watch(MEMBERS)
        with holder(store, "node1", "killed", [member(1).name]) as child:
            waiting.register(member(1))
            waiting.wait_claim(member(1), Claim.OTHER, PATIENCE)
            child.kill()
            waiting.wait_claim(member(1), Claim.OURS, store.vanishing + NOTICE)
