"""Real ZooKeeper servers, alone or three together: Debian's package, or what VIPAGENT_ZOOKEEPER names."""

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
    "netty-codec.jar",  # TLS needs these three, and Debian's manifest does not name them
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
    """Where Java finds ZooKeeper: `$VIPAGENT_ZOOKEEPER` (an unpacked release), else Debian's package."""
    if elsewhere := os.environ.get("VIPAGENT_ZOOKEEPER"):
        jars = sorted(Path(elsewhere).glob("lib/*.jar")) + sorted(Path(elsewhere).glob("*.jar"))
        assert jars, f"VIPAGENT_ZOOKEEPER={elsewhere} has no lib/*.jar"
        return ":".join(map(str, jars))
    assert DEBIAN.exists(), f"{DEBIAN} is missing: `apt-get install zookeeper`, or set VIPAGENT_ZOOKEEPER"
    return ":".join([str(DEBIAN), *(str(DEBIAN.with_name(jar)) for jar in BESIDES)])


class ZooKeeper(Server):
    """One server. Its port and its data stay the same over `kill` and `start`."""

    def __init__(
        self,
        directory: Path,
        tick: int = 2000,
        settings: Mapping[str, object] | None = None,
        java: tuple[str, ...] = (),
    ) -> None:
        """Prepare a server in a new directory.

        Args:
            directory: for its data, settings and log.
            tick: milliseconds; sessions live for 2 to 20 of them.
            settings: more lines for zoo.cfg.
            java: more flags for the JVM.
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
        """Ask a four-letter word; the empty string if nobody answers."""
        try:
            with socket.create_connection((HOST, self.port), 1.0) as connection:
                connection.sendall(word.encode())
                return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""

    def dump(self) -> str:
        """Return what it tells of its sessions, and of what they hold."""
        return wait_for("ZooKeeper tells of its sessions", lambda: self.ask("dump"))

    @property
    def mode(self) -> str:
        """`standalone`, `leader`, `follower`; the empty string if it does not serve."""
        answer = self.ask("srvr").partition("Mode: ")[2].split()
        return answer[0] if answer else ""

    @property
    def serves(self) -> bool:
        """Whether it serves clients."""
        return bool(self.mode)

    @property
    def leads(self) -> bool:
        """Whether its ensemble's members follow it."""
        return self.mode == "leader"


class TlsZooKeeper(ZooKeeper):
    """A server that speaks TLS to clients, and demands that they have a certificate of the authority's."""

    def __init__(self, directory: Path, authority: Path, own: Path, demand: str = "need") -> None:
        """Prepare a server in a new directory.

        Args:
            directory: for its data, settings and log.
            authority: whom it trusts; PEM.
            own: its certificate and its key, in one PEM file; read anew at each start.
            demand: `need` or `none`: whether clients are to show a certificate.
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
        """`HOST:PORT` for clients; the port without TLS is for four-letter words."""
        return f"{HOST}:{self.secure_port}"


def digest_only() -> tuple[str, ...]:
    """Return the JVM's flags for a server that serves nobody without a user and password."""
    return ("-Dzookeeper.enforce.auth.enabled=true", "-Dzookeeper.enforce.auth.schemes=digest")


def sasl_only(directory: Path, user: str, password: str) -> tuple[str, ...]:
    """Return the JVM's flags for a server that serves this user alone, by SASL."""
    users = directory / "jaas.conf"
    login = "org.apache.zookeeper.server.auth.DigestLoginModule"
    users.write_text(f'Server {{ {login} required user_{user}="{password}"; }};\n')
    return (
        f"-Djava.security.auth.login.config={users}",
        "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        "-Dzookeeper.sessionRequireClientSASLAuth=true",
    )


class Ensemble(Trio[ZooKeeper]):
    """Three servers, each a process, that elect a leader among them."""

    def __init__(self, directory: Path, tick: int = 500) -> None:
        peers = {f"server.{number}": f"{HOST}:{free_port()}:{free_port()}" for number in (1, 2, 3)}
        super().__init__([self._member(directory, number, tick, peers) for number in (1, 2, 3)])

    @staticmethod
    def _member(directory: Path, number: int, tick: int, peers: Mapping[str, str]) -> ZooKeeper:
        own = directory / str(number)
        (own / "data").mkdir(parents=True)
        (own / "data" / "myid").write_text(str(number))
        return ZooKeeper(own, tick, {"initLimit": 10, "syncLimit": 4, **peers})
