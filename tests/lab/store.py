"""ZooKeeper on the management network."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.lab import plan
from tests.lab.daemon import Daemon
from tests.lab.network import Network
from tests.servers.process import wait_for
from tests.servers.zookeeper import FLAGS, class_path

PORT = 2181
TICK = 500
"""Milliseconds. The end of a session is rounded up to the next tick."""
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
ASK = "exec 3<>/dev/tcp/{host}/{port} && printf {word} >&3 && cat <&3"
EPHEMERAL = re.compile(rf"/service/{plan.SERVICE}/(\S+)")


class Store:
    """One ZooKeeper server, which keeps its data after an exit."""

    def __init__(self, network: Network, directory: Path) -> None:
        settings = {
            "tickTime": TICK,
            "dataDir": directory / "zookeeper",
            "clientPort": PORT,
            "admin.enableServer": "false",
            "4lw.commands.whitelist": "*",
        }
        self._file = directory / "zoo.cfg"
        self._text = "".join(f"{name}={value}\n" for name, value in settings.items())
        self._network = network
        java = shutil.which("java") or "java"
        command = [java, *FLAGS, "-cp", class_path(), MAIN, str(self._file)]
        self.daemon = Daemon("zookeeper", network.inside("store", command), directory)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self._file.write_text(self._text)
        self.daemon.start()
        wait_for("ZooKeeper serves", lambda: "Mode:" in self._ask("srvr"), 30, every=0.1)

    def registered(self) -> frozenset[str]:
        """Return the VIPs that a live session has registered."""
        return frozenset(EPHEMERAL.findall(self._ask("dump")))

    def _ask(self, word: str) -> str:
        script = ASK.format(host=plan.STORE, port=PORT, word=word)
        command = self._network.inside("store", ["bash", "-c", script])
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=2).stdout
        except subprocess.TimeoutExpired:  # it accepts connections, but does not reply yet
            return ""
