"""Real etcd servers, single or a cluster of three: Debian's package, or VIPAGENT_ETCD."""

import json
import os
import re
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers.process import Process, free_port
from tests.servers.server import Server, ThreeServers
from vipagent.net.tls import client_context
from vipagent.testing.slowness import allowed

HOST = "127.0.0.1"


def executable() -> str:
    """Return the path of etcd: `$VIPAGENT_ETCD`, or Debian's."""
    found = shutil.which(os.environ.get("VIPAGENT_ETCD") or "etcd")
    assert found, "etcd is not installed: run `apt-get install etcd-server`, or set VIPAGENT_ETCD to its path"
    return found


@dataclass(frozen=True, slots=True)
class Certificates:
    """TLS settings of a server: its certificate, and the authority for client certificates."""

    cert: Path
    key: Path
    ca: Path
    require_client_cert: bool = False

    def flags(self) -> list[str]:
        """Return etcd's options."""
        client_options = (
            ["--client-cert-auth", f"--trusted-ca-file={self.ca}"] if self.require_client_cert else []
        )
        return [f"--cert-file={self.cert}", f"--key-file={self.key}", *client_options]


class Etcd(Server):
    """One server. Ports and data are kept between `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        flags: Sequence[str] = (),
        certificates: Certificates | None = None,
        name: str = "alone",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        """Initialize a server in a new directory.

        Args:
            directory: directory of its data and log.
            flags: additional options.
            certificates: TLS settings for clients.
            name: its name in a cluster.
            peers: peer URLs of the members by name; default: a single server.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.certificates = certificates
        self.identity = ""
        """`USER:PASSWORD` for `ask`, if required."""
        scheme = "https" if certificates else "http"
        peers = peers or {name: f"http://{HOST}:{free_port()}"}
        url = f"{scheme}://{self.address}"
        members = ",".join(f"{member}={peer}" for member, peer in peers.items())
        command = [
            executable(),
            f"--name={name}",
            f"--data-dir={directory / 'data'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peers[name]}",
            f"--initial-advertise-peer-urls={peers[name]}",
            f"--initial-cluster={members}",
            "--logger=zap",
            "--log-level=warn",
            *(certificates.flags() if certificates else ()),
            *flags,
        ]
        self.url = url
        self.process = Process(f"etcd {name}", command, directory / "log")

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self.port}"

    def ask(self, path: str, body: Mapping[str, object], within: float = 5.0) -> dict[str, Any]:
        """Send a request to the gateway as a foreign client.

        Raises:
            OSError: no response, or an error.
        """
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())
        if self.identity and path != "/v3/auth/authenticate":
            name, _, password = self.identity.partition(":")
            login = self.ask("/v3/auth/authenticate", {"name": name, "password": password})
            request.add_header("Authorization", login["token"])
        with urllib.request.urlopen(request, timeout=allowed(within), context=self._trust()) as answer:
            reply: dict[str, Any] = json.load(answer)
            return reply

    def metric(self, name: str) -> float:
        """Return the sum of a metric's values; 0 if it does not exist."""
        with urllib.request.urlopen(
            self.url + "/metrics", timeout=allowed(5.0), context=self._trust()
        ) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[ {{]", line))

    @property
    def serves(self) -> bool:
        """Whether it replies, and its cluster has a leader."""
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=1.0, context=self._trust()) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False

    @property
    def leads(self) -> bool:
        """Whether it is the leader."""
        try:
            status = self.ask("/v3/maintenance/status", {}, 1.0)
        except OSError:
            return False
        return bool(status["header"]["member_id"] == status.get("leader"))

    def _trust(self) -> ssl.SSLContext | None:
        if self.certificates is None:
            return None
        context = client_context(ca=self.certificates.ca)
        context.load_cert_chain(self.certificates.cert, self.certificates.key)
        return context


class Cluster(ThreeServers[Etcd]):
    """A cluster of three servers."""

    def __init__(self, directory: Path, flags: Sequence[str] = ()) -> None:
        peers = {name: f"http://{HOST}:{free_port()}" for name in ("one", "two", "three")}
        super().__init__([Etcd(directory / name, flags, name=name, peers=peers) for name in peers])
