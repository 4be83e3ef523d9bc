"""Many agents' sessions in one process; it is told, on stdin, what to wait for.

One line of JSON says which store and which nodes. Each node registers, publishes a state and watches, as an
agent does; `registered` and `complete` say that these nodes are there, and that all nodes are. Then each line
of stdin names members; when every session has seen all of them vanish, one line answers: when the first and
the last session knew, in monotonic seconds, which all processes share.
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
LIFE = 10.0
"""Seconds of a session's life: enough for hundreds of clients and their server on one machine."""
PATIENCE = 120.0
"""Seconds after which something is wrong."""


class View:
    """What one session knows of the members, and since when."""

    def __init__(self, news: threading.Condition) -> None:
        self.members: Snapshot = {}
        self.gone: dict[str, float] = {}
        self._news = news

    def session(self, state: StoreState, detail: str) -> None:
        """Take no notice: what is registered is seen."""

    def snapshot(self, directory: Directory, entries: Snapshot) -> None:
        """Note who has vanished."""
        if directory == MEMBERS:
            with self._news:
                for name in self.members.keys() - entries.keys():
                    self.gone[name] = time.monotonic()
                self.members = entries
                self._news.notify_all()


def name(number: int) -> str:
    """Return the name of a node's member."""
    return f"10.20.{number // 250}.{number % 250}"


def opened(kind: BackendFactory, hosts: tuple[str, ...], number: int, view: View) -> Backend:
    """Open the session of one node."""
    settings = StoreSettings(f"node{number}", f"run{number}", hosts, session_timeout=LIFE)
    backend = kind(settings, view)
    backend.watch(MEMBERS, frozenset({name(number)}))
    backend.watch(MAINTENANCE, frozenset({"all", settings.node}))
    registration = Registration(settings.node, settings.instance)
    state = NodeState(settings.node, CheckState.UP, instance=settings.instance)
    backend.register(Key(MEMBERS, name(number)), registration.dump())
    backend.register(Key(STATES, settings.node), state.dump())
    backend.open()
    return backend


def main() -> None:
    """Open the sessions, and answer."""
    order = json.loads(sys.stdin.readline())
    kind = load(order["backend"])
    news = threading.Condition()
    views = [View(news) for _ in order["nodes"]]
    backends = [
        opened(kind, tuple(order["hosts"]), number, view)
        for number, view in zip(order["nodes"], views, strict=True)
    ]
    own = {name(number) for number in order["nodes"]}
    with news:
        assert news.wait_for(lambda: all(view.members.keys() >= own for view in views), PATIENCE)
        print("registered", flush=True)
        assert news.wait_for(lambda: all(len(view.members) == order["total"] for view in views), PATIENCE)
        print("complete", flush=True)
    for line in sys.stdin:
        names = json.loads(line)
        with news:
            assert news.wait_for(lambda: all(view.gone.keys() >= set(names) for view in views), PATIENCE)  # noqa: B023
        seen = [view.gone[name] for view in views for name in names]
        print(json.dumps([min(seen), max(seen)]), flush=True)
    for backend in backends:
        backend.close(2.0)


if __name__ == "__main__":
    main()
