"""Failures of the file store: full disks, lost events, stopped agents."""

import asyncio
import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from tests.unit.store.coroutines import async_test
from vipagent.store.backend import StoreSettings
from vipagent.store.driver import Disconnected, Interests, Refused
from vipagent.store.layout import Directory, Key, Kind
from vipagent.testing.slowness import allowed
from vipagent_file import follower as followers
from vipagent_file.driver import FileDriver
from vipagent_file.follower import FileFollower
from vipagent_file.root import Root

MEMBERS, STATES = Directory(Kind.MEMBERS, "apex"), Directory(Kind.STATES, "apex")


async def _connected(root: Path) -> FileDriver:
    driver = FileDriver(StoreSettings("node1", "run1", (str(root),)))
    await driver.connect("")
    return driver


@async_test
async def test_a_partly_written_value_is_not_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is almost full stores only the beginning."""
    driver = await _connected(tmp_path / "store")
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, value: write(descriptor, value[:3]))
    with pytest.raises(Refused, match="No space left"):
        await driver.put(Key(MEMBERS, "10.0.0.1"), b"value", None, ephemeral=True)
    monkeypatch.undo()
    assert await driver.read(MEMBERS) == {}
    await driver.close()


@async_test
async def test_every_directory_is_relisted_while_another_one_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an event dropped by the kernel is not noticed while there are other events."""
    monkeypatch.setattr(followers, "RELIST_INTERVAL", 0.2)
    root = Root(tmp_path)
    follower = FileFollower(root, lambda directory: tmp_path / directory.kind, asyncio.get_running_loop())
    interests = Interests()
    interests.replace({MEMBERS: None, STATES: None}, frozenset())
    await asyncio.to_thread(follower.follow, {MEMBERS, STATES})
    listed: list[Directory] = []
    try:
        await asyncio.sleep(0.1)  # inotify reports the new folders
        await follower.changed(interests)
        deadline = time.monotonic() + 1.0
        while STATES not in listed and time.monotonic() < deadline:
            asyncio.get_running_loop().call_later(0.02, follower.touch, [MEMBERS])
            listed += await follower.changed(interests)
    finally:
        await asyncio.to_thread(follower.stop)
    assert STATES in listed


@async_test
async def test_a_folder_locked_by_a_stopped_agent_does_not_end_the_session(
    tmp_path: Path,
) -> None:
    """The waits for the lock run concurrently, so they do not add up."""
    driver = await _connected(tmp_path / "store")
    await driver.put(Key(MEMBERS, "10.0.0.99"), b"x", None, ephemeral=True)
    folder = os.open(driver.path(MEMBERS), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)

    async def put(number: int) -> None:
        with pytest.raises(Refused, match="which may be stopped"):
            await driver.put(Key(MEMBERS, f"10.0.0.{number}"), b"x", None, ephemeral=True)

    try:
        puts = asyncio.gather(*map(put, range(32)))
        await asyncio.sleep(0)
        began = time.monotonic()
        await driver.keep_alive()
        assert time.monotonic() - began < 1.5
        await puts
    finally:
        os.close(folder)
    await driver.put(Key(MEMBERS, "10.0.0.1"), b"x", None, ephemeral=True)
    await driver.close()


@async_test
async def test_locks_are_released_after_the_file_system_hung_during_close(tmp_path: Path) -> None:
    """The closed driver does not wait for it, but other agents wait for the locks."""
    driver, other = await _connected(tmp_path / "store"), await _connected(tmp_path / "store")
    await driver.put(Key(MEMBERS, "10.0.0.1"), b"x", None, ephemeral=True)
    hanging = threading.Event()
    driver._thread.post(hanging.wait)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await driver.close()
    assert list(await other.read(MEMBERS)) == ["10.0.0.1"]
    hanging.set()
    driver._thread._thread.join(allowed(5.0))
    assert await other.read(MEMBERS) == {}
    await other.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can set another owner")
@async_test
async def test_what_root_creates_belongs_to_the_owner_of_the_store(tmp_path: Path) -> None:
    """Otherwise the agents, which run as another user, would lose the store."""
    root = tmp_path / "store"
    root.mkdir()
    os.chown(root, 65534, 65533)
    driver = await _connected(root)
    await driver.put(Key(MEMBERS, "10.0.0.1"), b"value", None, ephemeral=False)
    made = [*root.rglob("*")]
    assert len(made) == len(driver.path(Key(MEMBERS, "10.0.0.1")).relative_to(root).parts)
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(65534, 65533)}
    await driver.close()


@async_test
async def test_a_session_that_only_reads_creates_nothing(tmp_path: Path) -> None:
    reader = FileDriver(StoreSettings("operator", "run2", (str(tmp_path / "store"),), read_only=True))
    with pytest.raises(Disconnected, match="No such file"):
        await reader.connect("")
    assert not (tmp_path / "store").exists()
    (tmp_path / "store").mkdir()
    await reader.connect("")
    listed: asyncio.Queue[Directory] = asyncio.Queue()
    interests = Interests()
    interests.replace({MEMBERS: None}, frozenset())
    following = asyncio.ensure_future(reader.follow(interests, lambda place, _: listed.put_nowait(place)))
    assert await listed.get() == MEMBERS
    assert [*(tmp_path / "store").rglob("*")] == []
    following.cancel()
    await reader.close()
