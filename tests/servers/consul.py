"""Real Consul servers, single or a cluster of three: Debian 11's package, or VIPAGENT_CONSUL."""

import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.servers.debian11 import unpack
from tests.servers.process import Process, free_port
from tests.servers.server import Server, ThreeServers
from vipagent.testing.slowness import allowed

HOST = "127.0.0.1"


def program() -> Path:
    """Return the path of Consul: `$VIPAGENT_CONSUL`, or Debian 11's."""
    if configured := os.environ.get("VIPAGENT_CONSUL"):
        assert Path(configured).is_file(), f"VIPAGENT_CONSUL={configured} is not a file"
        return Path(configured)
    return unpack("consul") / "usr/bin/consul"


class Consul(Server):
    """One agent in server mode. Ports and data are kept between `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, object] | None = None,
        tls: ssl.SSLContext | None = None,
        token: str = "",
    ) -> None:
        """Initialize a server in a new directory.

        Args:
            directory: directory of its data, settings and log.
            settings: additional or changed top-level settings.
            tls: TLS context for the tests' requests, if the server uses HTTPS.
            token: ACL token for the tests' requests.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.port, self.gossip, rpc = free_port(), free_port(), free_port()
        self.name = f"consul-{self.port}"
        self._tls, self._token = tls, token
        ports = {"server": rpc, "serf_lan": self.gossip, "serf_wan": -1, "dns": -1, "grpc": -1, "http": -1}
        ports["https" if tls else "http"] = self.port
        configuration = {
            "data_dir": str(directory / "data"),
            "node_name": self.name,
            "server": True,
            "bootstrap_expect": 1,
            "bind_addr": HOST,
            "client_addr": HOST,
            "ports": ports,
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "log_level": "info",
            **(settings or {}),
        }
        file = directory / "consul.json"
        file.write_text(json.dumps(configuration))
        command = [str(program()), "agent", f"-config-file={file}"]
        self.process = Process("consul", command, directory / "log")

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self.port}"

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, within: float = 2.0
    ) -> bytes | None:
        """Send a request to `/v1/PATH`; return None on errors or a timeout."""
        scheme = "https" if self._tls else "http"
        request = urllib.request.Request(f"{scheme}://{self.address}/v1/{path}", body, method=method)
        if self._token:
            request.add_header("X-Consul-Token", self._token)
        try:
            with urllib.request.urlopen(request, timeout=allowed(within), context=self._tls) as answer:
                body_received: bytes = answer.read()
                return body_received
        except (OSError, urllib.error.HTTPError):
            return None

    def call(self, path: str, method: str = "PUT", body: object = b"") -> object:
        """Send a request that must succeed (JSON unless `body` is bytes); return the parsed response."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.ask(path, method, data or None, within=10.0)
        assert answer is not None, f"{self.address} rejected {method} {path}"
        return json.loads(answer or b"null")

    @property
    def leads(self) -> bool:
        """Whether it is the leader and accepts writes."""
        state = json.loads(self.ask("agent/self") or b"{}").get("Stats", {}).get("consul", {})
        return bool(state.get("leader") == "true")

    @property
    def serves(self) -> bool:
        """Whether it serves consistent reads, with a leader and a quorum."""
        return self.ask("catalog/nodes?consistent") is not None


class Cluster(ThreeServers[Consul]):
    """A cluster of three servers."""

    def __init__(self, directory: Path, settings: Mapping[str, object] | None = None) -> None:
        common = {"bootstrap_expect": 3, **(settings or {})}
        first = Consul(directory / "1", common)
        joining = {**common, "retry_join": [f"{HOST}:{first.gossip}"], "retry_interval": "1s"}
        super().__init__([first, Consul(directory / "2", joining), Consul(directory / "3", joining)])
