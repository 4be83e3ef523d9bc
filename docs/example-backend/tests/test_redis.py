"""Redis passes the suite against a real server, which demands a password."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import redis
from vipagent_redis import RedisDriver

from vipagent.core.words import StoreState
from vipagent.store.backend import StoreConfigError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.recorder import Recorder, SessionSeen
from vipagent.testing.store import PATIENCE, ServedStore

HOST = "127.0.0.1"
LIFE = 4.0
PASSWORD = "not to be guessed"  # noqa: S105
PREFIXES = count(1)


class RedisServer:
    """One server; its data outlive `kill`."""

    def __init__(self, directory: Path) -> None:
        found = shutil.which(os.environ.get("VIPAGENT_REDIS") or "redis-server")
        if found is None:
            pytest.fail("no Redis: `apt-get install redis-server`, or set VIPAGENT_REDIS to the path of one")
        self.port = free_port()
        self.password_file = directory / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.client = redis.Redis(HOST, self.port, password=PASSWORD, socket_timeout=5.0)
        options = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(directory),
            "logfile": str(directory / "log"),
            "requirepass": PASSWORD,
            "notify-keyspace-events": "Eghx",
            "appendonly": "yes",
            "appendfsync": "no",  # a disk that is busy is not what is tested
        }
        self._command = [found, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._child = subprocess.Popen(self._command)
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.client.ping()
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._child is not None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and reap."""
        self.signal(signal.SIGKILL)
        if self._child is not None:
            self._child.wait(PATIENCE)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class RedisUnderTest(ServedStore):
    """A server, a prefix that is fresh for each test, and a foreign client."""

    factory = RedisDriver
    vanishing = LIFE + 1.0  # Redis looks for what has expired ten times a second

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._prefix = f"/test{next(PREFIXES)}"

    def settings(self, node: str, instance: str) -> StoreSettings:
        """Return settings that survive JSON, with a short session time-out."""
        host = f"{HOST}:{self._server.port}"
        options = {"password_file": str(self._server.password_file)}
        return StoreSettings(node, instance, (host,), self._prefix, LIFE, options)

    def plant(self, key: Key, value: bytes) -> None:
        """Make an entry that nobody's session holds."""
        self._server.client.hset(key.path(self._prefix), "value", value)

    def uproot(self, key: Key) -> None:
        """Remove an entry."""
        self._server.client.delete(key.path(self._prefix))

    def overwrite(self, key: Key, value: bytes) -> None:
        """Change the value, not the holder."""
        self._server.client.hset(key.path(self._prefix), "value", value)

    def litter(self, directory: Directory) -> None:
        """Put there what no agent would."""
        path = directory.path(self._prefix).encode()
        for name in (b"", b"line\nbreak", b"\x00", b"\xff\xfe", b"x" * 5000, b"..", b"*", b"deep/er"):
            self._server.client.hset(path + b"/" + name, "value", b"\xff" * 900_000)
        self._server.client.set(path, b"the directory itself")
        self._server.client.set(path + b"/text", b"no hash")
        self._server.client.hset(path + b"/hash", "other", b"no value")

    def kill(self) -> None:
        """See `ServedStore.kill`."""
        self._server.kill()

    def start(self) -> None:
        """See `ServedStore.start`."""
        self._server.start()

    def pause(self) -> None:
        """See `ServedStore.pause`."""
        self._server.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """See `ServedStore.resume`."""
        self._server.signal(signal.SIGCONT)
        self._server.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server for all tests."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def store(server: RedisServer) -> RedisUnderTest:
    """The store of one test."""
    if not server.running:  # a test before this one has failed
        server.start()
    return RedisUnderTest(server)


class TestRedis(BackendContract):
    """All that holds for a store that is well."""


class TestRedisProcesses(ProcessDeath):
    """Agents that die without a word."""


class TestRedisFaults(ServerFaults):
    """A server that dies or freezes."""


def test_a_wrong_password_is_told_and_a_better_one_is_taken(store: RedisUnderTest, tmp_path: Path) -> None:
    """It is read anew at each attempt, so that nothing has to be restarted."""
    password = tmp_path / "password"
    password.write_text("guessed")
    settings = store.settings("node1", "run1")
    seen = Recorder()
    guessing = replace(settings, options={**settings.options, "password_file": str(password)})
    backend = StoreClient(RedisDriver, guessing, seen)
    backend.open()
    try:
        _wait_detail(seen, f"{settings.hosts[0]}: invalid username-password pair")
        password.write_text(PASSWORD)
        seen.wait_state(StoreState.CONNECTED, PATIENCE)
    finally:
        backend.close(2.0)


def test_a_server_that_tells_of_no_changes_is_refused(server: RedisServer, store: RedisUnderTest) -> None:
    """That is how Redis comes: nobody would notice a death."""
    seen = Recorder()
    backend = store.backend("node1", "run1", seen)
    server.client.config_set("notify-keyspace-events", "")
    try:
        backend.open()
        _wait_detail(seen, "is to have notify-keyspace-events Eghx")
        server.client.config_set("notify-keyspace-events", "EA")
        seen.wait_state(StoreState.CONNECTED, PATIENCE)
    finally:
        backend.close(2.0)
        server.client.config_set("notify-keyspace-events", "Eghx")


@pytest.mark.parametrize(
    ("hosts", "options", "message"),
    [
        (("one", "two"), {}, "one server, not 2"),
        ((), {"pasword_file": "/x"}, "pasword_file: unknown option"),
    ],
)
def test_bad_settings_are_refused(hosts: tuple[str, ...], options: dict[str, object], message: str) -> None:
    """By the constructor, in words for operators."""
    with pytest.raises(StoreConfigError, match=message):
        RedisDriver(StoreSettings("node1", "run1", hosts, options=options))


def _wait_detail(seen: Recorder, detail: str) -> None:
    def told() -> bool:
        return any(isinstance(event, SessionSeen) and detail in event.detail for event in seen.events())

    seen.wait_for(told, PATIENCE, f"{detail!r} is told")
    seen.wait_state(StoreState.LOST, PATIENCE)
