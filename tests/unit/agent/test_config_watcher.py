import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vipagent.agent import config_watcher
from vipagent.agent.config_watcher import ConfigWatcher
from vipagent.testing.slowness import allowed


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_watcher, "FILE_POLL_INTERVAL", 0.01)


def replaced(path: Path) -> None:
    path.with_suffix(".new").write_text("a")
    path.with_suffix(".new").replace(path)


@pytest.mark.parametrize(
    "change",
    [
        replaced,
        lambda path: path.write_text("b"),
        lambda path: path.chmod(0o600),
        lambda path: path.unlink(),
    ],
    ids=["replaced", "written", "mode", "gone"],
)
def test_any_change_of_the_file_triggers_a_retry(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("a")

    async def run() -> None:
        seen = ConfigWatcher(path)
        seen.reading()
        due = asyncio.create_task(seen.due())
        done, _ = await asyncio.wait([due], timeout=0.1)
        assert not done
        change(path)
        await asyncio.wait_for(due, allowed(10))

    asyncio.run(run())


def test_a_created_file_triggers_a_retry(tmp_path: Path) -> None:
    async def run() -> None:
        seen = ConfigWatcher(tmp_path / "agent.yaml")
        seen.reading()
        (tmp_path / "agent.yaml").touch()
        await asyncio.wait_for(seen.due(), allowed(10))

    asyncio.run(run())


def test_changes_during_a_read_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("a")

    async def run() -> None:
        seen = ConfigWatcher(path)
        seen.reading()
        replaced(path)  # the read fails before anything waits for changes
        await asyncio.wait_for(seen.due(), allowed(10))
        seen.reading()
        seen.reload_requested.set()
        await asyncio.wait_for(seen.due(), allowed(10))

    asyncio.run(run())


def test_sighup_does_not_wait_for_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_watcher, "FILE_POLL_INTERVAL", 60.0)

    async def run() -> None:
        seen = ConfigWatcher(None)
        seen.reading()
        asyncio.get_running_loop().call_later(0.05, seen.reload_requested.set)
        await asyncio.wait_for(seen.due(), allowed(10))

    asyncio.run(run())


def test_without_a_change_a_retry_is_due_after_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_watcher, "CONFIG_RETRY_INTERVAL", 0.2)

    async def run() -> float:
        seen = ConfigWatcher(None)
        seen.reading()
        started = time.monotonic()
        await asyncio.wait_for(seen.due(), allowed(10))
        return time.monotonic() - started

    assert asyncio.run(run()) >= 0.2
