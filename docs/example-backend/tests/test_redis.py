"""Contract tests with a real server that requires a password."""

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

from vipagent.store.backend import StoreConfigError, StoreSettings
from vipagent.store.client import StoreClient
from vipagent.store.layout import Directory, Key
from vipagent.testing.contract import BackendContract, ProcessDeath, ServerFaults
from vipagent.testing.recorder import Recorder, SessionSeen
from vipagent.testing.store import WAIT_TIMEOUT, ServedStore
from vipagent.types import StoreState

HOST = "127.0.0.1"
LIFE = 4.0
PASSWORD = "not to be guessed"  # noqa: S105
PREFIXES = count(1)


class RedisServer:
    """One server, with persistent data."""

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
            "appendfsync": "no",  # independent of a busy disk
        }
        self._command = [found, *(word for name, value in options.items() for word in (f"--{name}", value))]
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """Start, and wait until it replies."""
        self._child = subprocess.Popen(self._command)
        self.wait()

    def wait(self) -> None:
        """Wait until it replies."""
        deadline = time.monotonic() + WAIT_TIMEOUT
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
            self._child.wait(WAIT_TIMEOUT)


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class RedisUnderTest(ServedStore):
    """A server, a new prefix for each test, and a foreign client."""

    factory = RedisDriver
    expiry = LIFE + 1.0  # Redis checks for expired keys ten times per second

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._prefix = f"/test{next(PREFIXES)}"

    def settings(self, node: str, instance: str) -> StoreSettings:
        """Return JSON serializable settings, with a short session timeout."""
        host = f"{HOST}:{self._server.port}"
        options = {"password_file": str(self._server.password_file)}
        return StoreSettings(node, instance, (host,), self._prefix, LIFE, options)

    def create_foreign(self, key: Key, value: bytes) -> None:
        """Create an entry without a session."""
        self._server.client.hset(key.path(self._prefix), "value", value)

    def delete(self, key: Key) -> None:
        """Delete an entry."""
        self._server.client.delete(key.path(self._prefix))

    def overwrite(self, key: Key, value: bytes) -> None:
        """Change the value, not the holder."""
        self._server.client.hset(key.path(self._prefix), "value", value)

    def write_garbage(self, directory: Directory) -> None:
        """Write invalid entries."""
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
    if not server.running:  # a previous test has failed
        server.start()
    return RedisUnderTest(server)


class TestRedis(BackendContract):
    """Tests without faults."""


class TestRedisProcesses(ProcessDeath):
    """Tests with killed agents."""


class TestRedisFaults(ServerFaults):
    """Tests with a killed or frozen server."""


def test_a_wrong_password_is_reported_and_a_corrected_one_is_used(
    store: RedisUnderTest, tmp_path: Path
) -> None:
    """The file is read at each attempt, so no restart is needed."""
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
        seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    finally:
        backend.close(2.0)


def test_a_server_without_keyspace_events_is_rejected(server: RedisServer, store: RedisUnderTest) -> None:
    """By default Redis publishes no events, and failures would not be detected."""
    seen = Recorder()
    backend = store.backend("node1", "run1", seen)
    server.client.config_set("notify-keyspace-events", "")
    try:
        backend.open()
        _wait_detail(seen, "needs notify-keyspace-events Eghx")
        server.client.config_set("notify-keyspace-events", "EA")
        seen.wait_state(StoreState.CONNECTED, WAIT_TIMEOUT)
    finally:
        backend.close(2.0)
        server.client.config_set("notify-keyspace-events", "Eghx")


@pytest.mark.parametrize(
    ("hosts", "options", "message"),
    [
        (("one", "two"), {}, "exactly one server is supported, not 2"),
        ((), {"pasword_file": "/x"}, "pasword_file: unknown option"),
    ],
)
def test_invalid_settings_are_rejected(
    hosts: tuple[str, ...], options: dict[str, object], message: str
) -> None:
    """The constructor raises an error for operators."""
    with pytest.raises(StoreConfigError, match=message):
        RedisDriver(StoreSettings("node1", "run1", hosts, options=options))


def _wait_detail(seen: Recorder, detail: str) -> None:
    def reported() -> bool:
        return any(isinstance(event, SessionSeen) and detail in event.detail for event in seen.events())

    seen.wait_for(reported, WAIT_TIMEOUT, f"{detail!r} is reported")
    seen.wait_state(StoreState.LOST, WAIT_TIMEOUT)
