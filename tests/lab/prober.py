"""Sends 200 packets per second to each VIP; clients of its socket receive all results.

python -m tests.lab.prober SOCKET VIP...
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.lab.plan import ECHO_PORT
from tests.lab.runs import LOST, Run, add

PERIOD = 1 / 200
REPLY_TIMEOUT = 1.0
"""Timeout in seconds after which a packet without reply is lost."""
KEPT = 100_000
"""Maximum number of stored runs."""


@dataclass(slots=True)
class Packet:
    """One pending packet."""

    sent: float
    by: str = LOST


class Flow:
    """The packets to one VIP."""

    def __init__(self, vip: str) -> None:
        family = socket.AF_INET6 if ":" in vip else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect((vip, ECHO_PORT))
        self.runs: list[Run] = []
        self._pending: deque[Packet] = deque()
        self._first = 0
        """The number of the first pending packet."""

    def send(self) -> None:
        """Send the next packet; errors count as loss."""
        number = self._first + len(self._pending)
        self._pending.append(Packet(time.time()))
        with suppress(OSError):
            self.socket.send(number.to_bytes(8, "big"))

    def receive(self) -> None:
        """Receive all available replies."""
        try:
            while answer := self.socket.recv(100):
                place = int.from_bytes(answer[:8], "big") - self._first
                if 0 <= place < len(self._pending):
                    self._pending[place].by = answer[8:].decode()
        except OSError:  # no more replies, or the port is closed
            pass

    def settle(self) -> None:
        """Record the outcome of all packets up to the first pending one."""
        late = time.time() - REPLY_TIMEOUT
        while self._pending and (self._pending[0].by != LOST or self._pending[0].sent < late):
            packet = self._pending.popleft()
            self._first += 1
            add(self.runs, packet.by, packet.sent)
        if len(self.runs) > KEPT:
            del self.runs[: KEPT // 2]


def listen(path: Path) -> socket.socket:
    """Listen on the socket for clients."""
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    return server


def send_runs(server: socket.socket, flows: dict[str, Flow]) -> None:
    """Send the runs of all VIPs to the next client."""
    connection, _ = server.accept()
    seen = {vip: [astuple(run) for run in flow.runs] for vip, flow in flows.items()}
    with connection, suppress(OSError):
        connection.settimeout(1.0)
        connection.sendall(json.dumps(seen).encode())


def probe(path: Path, vips: list[str]) -> None:
    """Probe until killed."""
    flows = {vip: Flow(vip) for vip in vips}
    server = listen(path)
    selector = selectors.DefaultSelector()
    selector.register(server, selectors.EVENT_READ)
    for flow in flows.values():
        selector.register(flow.socket, selectors.EVENT_READ, flow)
    due = time.monotonic()
    while True:
        for key, _ in selector.select(max(0.0, due - time.monotonic())):
            if isinstance(key.data, Flow):
                key.data.receive()
            else:
                send_runs(server, flows)
        while due <= time.monotonic():
            due += PERIOD
            for flow in flows.values():
                flow.settle()
                flow.send()


if __name__ == "__main__":
    probe(Path(sys.argv[1]), sys.argv[2:])
