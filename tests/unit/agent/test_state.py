"""The file with the routes that an agent may have announced (E2)."""

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.quick.core.pools import service
from tests.servers.process import wait_for
from vipagent.agent import state
from vipagent.agent.route_record import RouteRecord, encode
from vipagent.agent.state import RouteFile, location
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.exabgp.table import RouteIdentity
from vipagent.store.backend import StoreSettings
from vipagent.telemetry.problems import Fault

OLD, NEW = frozenset({RouteIdentity("10.0.0.9/32")}), frozenset({RouteIdentity("10.0.0.1/32", 7)})
CONFIG = AgentConfig("file", StoreSettings("node1", "this run"), (ServiceConfig(service()),))


@pytest.fixture
def file(tmp_path: Path) -> RouteFile:
    return RouteFile(tmp_path / "routes.json", "the agent", "run 2")


def content(identities: Iterable[RouteIdentity]) -> bytes:
    """Return the record of the first run."""
    return encode("the agent", RouteRecord(frozenset(identities), ("run 2",)))


def fault(file: RouteFile) -> tuple[str, str] | None:
    """Return the fault of a file with its detail."""
    found = [(word, detail) for word, detail in file.faults().items() if detail is not None]
    assert len(found) <= 1
    return found[0] if found else None


def test_the_first_start_has_no_record_and_writes_one(
    file: RouteFile, caplog: pytest.LogCaptureFixture
) -> None:
    assert file.start(NEW) is None
    assert file.earlier_runs == ()
    assert file.path.read_bytes() == content(NEW)
    assert [path.name for path in file.path.parent.iterdir()] == ["routes.json"]
    assert caplog.messages == []
    assert fault(file) is None


def test_the_next_start_reads_it_and_keeps_both(file: RouteFile) -> None:
    RouteFile(file.path, "the agent", "run 1").start(OLD)
    assert file.start(NEW) == OLD
    assert RouteFile(file.path, "the agent", "run 1").start([]) == OLD | NEW


def test_the_next_start_knows_the_earlier_runs(file: RouteFile) -> None:
    """Whose registrations are stale (G3)."""
    RouteFile(file.path, "the agent", "run 0").start([])
    RouteFile(file.path, "the agent", "run 1").start([])
    file.start(NEW)
    assert file.earlier_runs == ("run 0", "run 1")


def test_the_last_of_many_changes_is_written(file: RouteFile) -> None:
    file.start([])
    for number in range(100):
        file.save(frozenset({RouteIdentity(f"10.0.0.{number}/32")}))
    wait_for(
        "the last one is written",
        lambda: file.path.read_bytes() == content([RouteIdentity("10.0.0.99/32")]),
    )


def test_a_missing_directory_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = RouteFile(tmp_path / "missing" / "routes.json", "the agent", "run 1")
    assert file.start(NEW) is None
    file.save(OLD)
    wait_for("it has failed", file.idle)
    (warning,) = caplog.messages
    assert "No such file or directory" in warning
    assert "are not withdrawn (E2); make the state directory writable" in warning
    assert fault(file) == (
        Fault.NO_STATE_DIRECTORY,
        warning.removeprefix("state directory ").partition(": r")[0],
    )
    file.path.parent.mkdir()
    file.save(NEW)
    wait_for("it is written", file.path.exists)
    wait_for("there is no fault any more", lambda: fault(file) is None)


def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    changes = []
    file = RouteFile(tmp_path / "missing" / "routes.json", "the agent", "run 1")
    file.on_change = lambda: changes.append(fault(file))
    file.start(NEW)
    file.retry()
    wait_for("it has failed again", file.idle)
    file.path.parent.mkdir()
    file.retry()
    wait_for("there is no fault any more", lambda: fault(file) is None)
    assert RouteFile(file.path, "the agent", "run 1").start([]) == NEW
    assert [change and change[0] for change in changes] == [Fault.NO_STATE_DIRECTORY, None]
    written = file.path.stat().st_ino
    file.retry()
    assert file.idle()
    assert file.path.stat().st_ino == written


def test_a_directory_that_is_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    file = RouteFile(tmp_path / "file" / "routes.json", "the agent", "run 1")
    assert file.start(NEW) is None
    assert len(caplog.messages) == 1
    assert (fault(file) or "")[0] == Fault.NO_STATE_DIRECTORY


@pytest.mark.parametrize(
    "content", [b"{", b'{"version": 2}', b" " * (state.MAX_BYTES + 1)], ids=["broken", "foreign", "large"]
)
def test_other_content_is_no_record_and_is_replaced(
    file: RouteFile, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    file.path.write_bytes(content)
    assert file.start(NEW) is None
    (warning,) = caplog.messages
    assert "ignoring" in warning
    word, detail = fault(file) or ("", "")
    assert word == Fault.UNREADABLE_RECORD
    assert f"ignoring {detail}; only" in warning
    wait_for("it is written", file.idle)
    assert fault(file) is not None, "which routes an earlier run had announced remains unknown"
    assert RouteFile(file.path, "the agent", "run 1").start([]) == NEW


def test_a_pipe_in_its_place_does_not_block(file: RouteFile, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(file.path)
    assert file.start(NEW) is None
    assert "not a regular file" in caplog.messages[0]
    assert (fault(file) or "")[0] == Fault.UNREADABLE_RECORD


def test_a_hung_disk_delays_the_start_only_once(
    file: RouteFile, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed = threading.Event()
    monkeypatch.setattr(state, "START_TIMEOUT", 0.1)
    monkeypatch.setattr(state, "_content", lambda _: resumed.wait() and b"")
    before = time.monotonic()
    assert file.start(NEW) is None
    assert time.monotonic() - before < 5
    resumed.set()
    assert "no answer within 0.1 s" in caplog.messages[0]


def test_another_directory_after_a_reload(file: RouteFile, tmp_path: Path) -> None:
    file.start(NEW)
    other = tmp_path / "other"
    other.mkdir()
    file.move(other / "routes.json")
    wait_for("it is written there", (other / "routes.json").exists)
    assert RouteFile(other / "routes.json", "the agent", "run 1").start([]) == NEW


def test_a_fault_ends_with_a_move_to_a_directory_that_is_writable(tmp_path: Path) -> None:
    changes: list[tuple[str, str] | None] = []
    file = RouteFile(tmp_path / "missing" / "routes.json", "the agent", "run 1")
    file.on_change = lambda: changes.append(fault(file))
    file.start(NEW)
    file.move(tmp_path / "routes.json")
    wait_for("it is written there", file.idle)
    assert [change and change[0] for change in changes] == [Fault.NO_STATE_DIRECTORY, None]


@pytest.mark.parametrize(
    ("configured", "environment", "directory"),
    [
        (None, {}, "/var/lib/vipagent"),
        (None, {"STATE_DIRECTORY": ""}, "/var/lib/vipagent"),
        (None, {"STATE_DIRECTORY": "/var/lib/exabgp"}, "/var/lib/exabgp"),
        (None, {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, "/var/lib/one"),
        ("/srv/state", {"STATE_DIRECTORY": "/var/lib/exabgp"}, "/srv/state"),
    ],
)
def test_the_directory(configured: str | None, environment: dict[str, str], directory: str) -> None:
    config = replace(CONFIG, state_directory=configured)
    path = location(config, Path("/etc/vipagent/vipagent.yaml"), environment)
    assert str(path.parent) == directory
    assert path.name.startswith("routes-node1-")


def test_agents_of_one_node_have_files_of_their_own() -> None:
    """Each would withdraw the other's routes otherwise."""
    other = replace(CONFIG, services=(ServiceConfig(service(name="other")),))
    paths = [
        location(CONFIG, None, {}),
        location(other, None, {}),
        location(CONFIG, Path("/etc/vipagent/one.yaml"), {}),
        location(CONFIG, Path("/etc/vipagent/two.yaml"), {}),
    ]
    assert len(set(paths)) == 4
    assert location(other, Path("/etc/vipagent/one.yaml"), {}) == paths[2], "services may change"
