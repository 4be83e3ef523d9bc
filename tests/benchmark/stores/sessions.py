"""Many sessions of agents in one process, controlled by stdin.

The first line is JSON with store and nodes. Each node registers, publishes a state and watches, like an
agent; it prints `registered` when these nodes are registered, and `complete` when all nodes are. Each further
line contains members; when all sessions have seen them disappear, it prints the times of the first and the
last notification in monotonic seconds, which are the same in all processes.
"""

import json
import sys
import threading
import time

from vipagent.store.backend import Backend, BackendFactory, Snapshot, StoreSettings
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.plugins import load
from vipagent.store.records import NodeState, Registration
from vipagent.types import CheckState, StoreState

MEMBERS = Directory(Kind.MEMBERS, "apex")
MAINTENANCE = Directory(Kind.MAINTENANCE, "apex")
STATES = Directory(Kind.STATES, "apex")
SESSION_TIMEOUT = 10.0
"""In seconds: enough for hundreds of clients and their server on one machine."""
WAIT_TIMEOUT = 120.0
"""Maximum time in seconds for all notifications."""


class MemberListener:
    """Records the members of one session, and when they disappeared."""

    def __init__(self, condition: threading.Condition) -> None:
        self.members: Snapshot = {}
        self.gone: dict[str, float] = {}
        self._condition = condition

    def session(self, state: StoreState, detail: str) -> None:
        """Ignore the state of the session."""

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Record disappeared members."""
        if directory == MEMBERS:
            with self._condition:
                for name in self.members.keys() - entries.keys():
                    self.gone[name] = time.monotonic()
                self.members = entries
                self._condition.notify_all()


def name(number: int) -> str:
    """Return the name of a node's member."""
    return f"10.20.{number // 250}.{number % 250}"


def open_session(
    kind: BackendFactory, hosts: tuple[str, ...], number: int, listener: MemberListener
) -> Backend:
    """Open the session of one node."""
    settings = StoreSettings(f"node{number}", f"run{number}", hosts, session_timeout=SESSION_TIMEOUT)
    backend = kind(settings, listener)
    backend.watch(MEMBERS, frozenset({name(number)}))
    backend.watch(MAINTENANCE, frozenset({"all", settings.node}))
    registration = Registration(settings.node, settings.instance)
    state = NodeState(settings.node, CheckState.UP, instance=settings.instance)
    backend.register(Key(MEMBERS, name(number)), registration.dump())
    backend.register(Key(STATES, settings.node), state.dump())
    backend.open()
    return backend


def main() -> None:
    """Open the sessions, and process the lines of stdin."""
    request = json.loads(sys.stdin.readline())
    kind = load(request["backend"])
    condition = threading.Condition()
    listeners = [MemberListener(condition) for _ in request["nodes"]]
    backends = [
        open_session(kind, tuple(request["hosts"]), number, listener)
        for number, listener in zip(request["nodes"], listeners, strict=True)
    ]
    own = {name(number) for number in request["nodes"]}
    with condition:
        assert condition.wait_for(
            lambda: all(listener.members.keys() >= own for listener in listeners), WAIT_TIMEOUT
        )
        print("registered", flush=True)
        assert condition.wait_for(
            lambda: all(len(listener.members) == request["total"] for listener in listeners), WAIT_TIMEOUT
        )
        print("complete", flush=True)
    for line in sys.stdin:
        names = json.loads(line)
        with condition:
            assert condition.wait_for(
                lambda: all(listener.gone.keys() >= set(names) for listener in listeners),  # noqa: B023
                WAIT_TIMEOUT,
            )
        times = [listener.gone[name] for listener in listeners for name in names]
        print(json.dumps([min(times), max(times)]), flush=True)
    for backend in backends:
        backend.close(2.0)


if __name__ == "__main__":
    main()
