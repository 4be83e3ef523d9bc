"""The agent executes the engine's effects on a real event loop, with real pipes (Shape 2)."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import answer, config, served
from tests.unit.waiting import eventually
from vipagent.agent.agent import Agent
from vipagent.store.backend import BackendFactory, Listener, StoreSettings
from vipagent.store.layout import Key
from vipagent.testing.memory import MemoryBackend, MemoryStore

QUERY = "show neighbor summary\n"
ANNOUNCED = f"announce route {OWN}/32 next-hop self med 100\n"


class Backend(MemoryBackend):
    """A backend with a separate store."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener, MemoryStore())


class BuggyBackend(Backend):
    """A backend with a bug."""

    def register(self, key: Key, value: bytes) -> None:
        raise RuntimeError(f"no room for {key.name}")


class FakeExaBGP:
    """An agent with the test as ExaBGP."""

    def __init__(self, backend: BackendFactory) -> None:
        (replies, self._replies), (self._commands, commands) = os.pipe(), os.pipe()
        self._descriptors = [replies, self._replies, self._commands, commands]
        os.set_blocking(self._commands, False)
        self.agent = Agent(config(served()), backend, replies, commands)
        self.output = ""
        self.running = asyncio.get_running_loop().create_task(self.agent.run())

    def has_written(self, text: str) -> bool:
        """Read the agent's output; return whether it contains `text`."""
        with suppress(BlockingIOError):
            self.output += os.read(self._commands, 1 << 16).decode()
        return text in self.output

    def reply(self, *lines: str) -> None:
        os.write(self._replies, "".join(f"{line}\n" for line in lines).encode())

    def close(self, *, commands_only: bool = False) -> None:
        """Close all pipes, or only the one that ExaBGP reads."""
        for descriptor in [self._commands] if commands_only else self._descriptors:
            self._descriptors.remove(descriptor)
            os.close(descriptor)


@asynccontextmanager
async def fake_exabgp(backend: BackendFactory) -> AsyncIterator[FakeExaBGP]:
    exabgp = FakeExaBGP(backend)
    try:
        yield exabgp
    finally:
        exabgp.running.cancel()
        exabgp.agent.close()
        exabgp.close()


async def wait_until_serving(exabgp: FakeExaBGP) -> None:
    await eventually("it sends its query", lambda: exabgp.has_written(QUERY))
    exabgp.reply(*answer("192.0.2.1"))
    await eventually("it announces", lambda: exabgp.has_written(ANNOUNCED))
    exabgp.reply("done", "done", "done")


def test_the_agent_serves_until_it_is_stopped() -> None:
    async def run() -> None:
        async with fake_exabgp(Backend) as exabgp:
            await wait_until_serving(exabgp)
            exabgp.agent.stop()
            await eventually("it withdraws", lambda: exabgp.has_written(f"withdraw route {OWN}/32\n"))
            await eventually("it has exited", exabgp.running.done)
            assert exabgp.agent.view.ending

    asyncio.run(run())


def test_the_exit_of_exabgp_is_detected_by_a_write() -> None:
    """The write fails while the engine's effects are executed; the shutdown follows afterwards."""

    async def run() -> None:
        async with fake_exabgp(Backend) as exabgp:
            await wait_until_serving(exabgp)
            exabgp.close(commands_only=True)
            await eventually("it has exited", exabgp.running.done)

    asyncio.run(run())


def test_a_change_that_the_store_does_not_report_is_shown() -> None:
    """A neighbour goes down before the first registration: nothing but the node's record changes."""

    async def run() -> None:
        changes: list[int | None] = []
        async with fake_exabgp(Backend) as exabgp:
            await eventually("it sends its query", lambda: exabgp.has_written(QUERY))
            exabgp.reply(*answer("192.0.2.1"))
            await eventually("it announces", lambda: exabgp.has_written(ANNOUNCED))
            exabgp.agent.on_change = lambda: changes.append(exabgp.agent.view.neighbors)
            exabgp.reply("neighbor 192.0.2.1 down")
            await eventually("the change is shown", lambda: changes[-1:] == [0])

    asyncio.run(run())


def test_e6_a_bug_in_a_backend_withdraws_no_route(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with fake_exabgp(BuggyBackend) as exabgp:
            await wait_until_serving(exabgp)
            [service] = exabgp.agent.view.services
            assert service.counters.internal_errors > 0
            assert "internal error" in caplog.messages

    asyncio.run(run())


def test_pending_commands_are_flushed() -> None:
    async def run() -> None:
        async with fake_exabgp(Backend) as exabgp:
            await eventually("it sends its query", lambda: exabgp.has_written(QUERY))
            exabgp.reply(*answer("192.0.2.1"))
            await eventually("it announces", lambda: exabgp.has_written(ANNOUNCED))
            assert not await exabgp.agent.wait_flushed(0.05)
            exabgp.reply("done", "done", "done")
            assert await exabgp.agent.wait_flushed(5)

    asyncio.run(run())
