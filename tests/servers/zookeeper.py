"""Real ZooKeeper servers, single or an ensemble of three: Debian's package, or VIPAGENT_ZOOKEEPER."""

import os
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.servers.process import Process, free_port, wait_for
from tests.servers.server import Server, Trio

HOST = "127.0.0.1"
DEBIAN = Path("/usr/share/java/zookeeper.jar")
BESIDES = (
    "slf4j-simple.jar",
    "netty-codec.jar",  # required for TLS, but missing in Debian's manifest
    "netty-resolver.jar",
    "netty-transport-native-unix-common.jar",
)
FLAGS = (
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dzookeeper.forceSync=no",
    "-Dzookeeper.preAllocSize=64",
)


def class_path() -> str:
    """Class path of ZooKeeper: `$VIPAGENT_ZOOKEEPER` (an unpacked release), or Debian's package."""
    if elsewhere := os.environ.get("VIPAGENT_ZOOKEEPER"):
        jars = sorted(Path(elsewhere).glob("lib/*.jar")) + sorted(Path(elsewhere).glob("*.jar"))
        assert jars, f"VIPAGENT_ZOOKEEPER={elsewhere} has no lib/*.jar"
        return ":".join(map(str, jars))
    assert DEBIAN.exists(), f"{DEBIAN} is missing: `apt-get install zookeeper`, or set VIPAGENT_ZOOKEEPER"
    return ":".join([str(DEBIAN), *(str(DEBIAN.with_name(jar)) for jar in BESIDES)])


class ZooKeeper(Server):
    """One server. Port and data are kept between `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        tick: int = 2000,
        settings: Mapping[str, object] | None = None,
        java: tuple[str, ...] = (),
    ) -> None:
        """Initialize a server in a new directory.

        Args:
            directory: directory of its data, settings and log.
            tick: in milliseconds; session timeouts are 2 to 20 ticks.
            settings: additional lines for zoo.cfg.
            java: additional JVM flags.
        """
        runtime = shutil.which("java")
        assert runtime, "no java: `apt-get install zookeeper` brings one"
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        lines = {
            "tickTime": tick,
            "dataDir": directory / "data",
            "clientPort": self.port,
            "clientPortAddress": HOST,
            "admin.enableServer": "false",
            "maxClientCnxns": 0,
            "4lw.commands.whitelist": "*",
            **(settings or {}),
        }
        configuration = directory / "zoo.cfg"
        configuration.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        command = [runtime, *FLAGS, *java, "-cp", class_path(), main, str(configuration)]
        self.process = Process("zookeeper", command, directory / "log")

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients."""
        return f"{HOST}:{self.port}"

    def ask(self, word: str) -> str:
        """Send a four-letter word; return an empty string without a reply."""
        try:
            with socket.create_connection((HOST, self.port), 1.0) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def dump(self) -> str:
        """Return its report on sessions and their ephemeral znodes."""
        return wait_for("ZooKeeper reports its sessions", lambda: self.ask("dump"))

    @property
    def mode(self) -> str:
        """`standalone`, `leader`, `follower`; empty if it does not serve."""
        answer = self.ask("srvr").partition("Mode: ")[2].split()
        return answer[0] if answer else ""

    @property
    def serves(self) -> bool:
        """Whether it serves clients."""
        return bool(self.mode)

    @property
    def leads(self) -> bool:
        """Whether it is the leader."""
        return self.mode == "leader"


class TlsZooKeeper(ZooKeeper):
    """A server with TLS that requires client certificates of an authority."""

    def __init__(self, directory: Path, authority: Path, own: Path, demand: str = "need") -> None:
        """Initialize a server in a new directory.

        Args:
            directory: directory of its data, settings and log.
            authority: trusted authority, PEM.
            own: its certificate and key, in one PEM file; read at each start.
            demand: `need` or `none`: whether clients need a certificate.
        """
        self.secure_port = free_port()
        settings = {
            "secureClientPort": self.secure_port,
            "secureClientPortAddress": HOST,
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "ssl.keyStore.location": own,
            "ssl.keyStore.type": "PEM",
            "ssl.trustStore.location": authority,
            "ssl.trustStore.type": "PEM",
            "ssl.clientAuth": demand,
        }
        super().__init__(directory, settings=settings)

    @property
    def address(self) -> str:
        """`HOST:PORT` for clients with TLS; the port without TLS is used for four-letter words."""
        return f"{HOST}:{self.secure_port}"


def digest_only() -> tuple[str, ...]:
    """Return JVM flags for a server that requires user and password."""
    return ("-Dzookeeper.enforce.auth.enabled=true", "-Dzookeeper.enforce.auth.schemes=digest")


def sasl_only(directory: Path, user: str, password: str) -> tuple[str, ...]:
    """Return JVM flags for a server that accepts only this user, with SASL."""
    users = directory / "jaas.conf"
    login = "org.apache.zookeeper.server.auth.DigestLoginModule"
    users.write_text(f'Server {{ {login} required user_{user}="{password}"; }};\n')
    return (
        f"-Djava.security.auth.login.config={users}",
        "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "-Dzookeeper.sessionRequireClientSASLAuth=true",
    )


class Ensemble(Trio[ZooKeeper]):
    """A cluster of three servers."""

    def __init__(self, directory: Path, tick: int = 500) -> None:
        peers = {f"server.{number}": f"{HOST}:{free_port()}:{free_port()}" for number in (1, 2, 3)}
        super().__init__([self._member(directory, number, tick, peers) for number in (1, 2, 3)])

    @staticmethod
    def _member(directory: Path, number: int, tick: int, peers: Mapping[str, str]) -> ZooKeeper:
        own = directory / str(number)
        (own / "data").mkdir(parents=True)
        (own / "data" / "myid").write_text(str(number))
        return ZooKeeper(own, tick, {"initLimit": 10, "syncLimit": 4, **peers})
