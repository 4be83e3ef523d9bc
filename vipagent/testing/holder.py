"""An agent's session in a process of its own, for tests that kill it.

    python -m vipagent.testing.holder MODULE:CLASS < settings

Standard input is one line of JSON: the settings' fields, and `register`, the names of the members to register
(in the service `apex`). `held` is printed once they are all there; it ends at the end of its standard input.
"""

import importlib
import json
import sys

from vipagent.store.backend import StoreSettings
from vipagent.store.layout import Key
from vipagent.store.plugins import backend_factory
from vipagent.testing.peers import MEMBERS, Peer
from vipagent.testing.recorder import Recorder
from vipagent.testing.store import PATIENCE
from vipagent.types import Claim


def main(factory: str) -> None:
    """Register, say so, and wait for the end."""
    module, _, name = factory.partition(":")
    order = json.loads(sys.stdin.readline())
    names = order.pop("register")
    order["hosts"] = tuple(order["hosts"])
    recorder = Recorder()
    make = backend_factory(getattr(importlib.import_module(module), name))
    peer = Peer(make(StoreSettings(**order), recorder), recorder)
    peer.watch(MEMBERS)
    peer.backend.open()
    for member in names:
        peer.register(Key(MEMBERS, member))
        peer.wait_claim(Key(MEMBERS, member), Claim.OURS, PATIENCE)
    print("held", flush=True)  # the test waits for this line
    sys.stdin.read()
    peer.backend.close(2.0)


if __name__ == "__main__":
    main(sys.argv[1])
