import asyncio
import socket

from tests.servers.process import free_port
from tests.unit.check_server import answering, check
from tests.unit.waiting import eventually
from vipagent.checks.outcome import CheckOutcome


def test_accepted_connection_succeeds_and_is_closed() -> None:
    async def scenario() -> None:
        async with answering(hang=True) as server:
            url = f"tcp://127.0.0.1:{server.port}"
            assert await check(url) == CheckOutcome(True, f"connected to {url}")
            await eventually("the server accepted the connection", lambda: server.connections == 1)

    asyncio.run(scenario())


def test_connection_refused() -> None:
    url = f"tcp://127.0.0.1:{free_port()}"
    assert asyncio.run(check(url)) == CheckOutcome(False, f"connection refused by {url}")


def test_connection_timeout() -> None:
    with socket.socket() as listening, socket.socket() as first:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        first.connect(address)  # fills the backlog, so the kernel drops the next connection
        url = f"tcp://{address[0]}:{address[1]}"
        assert asyncio.run(check(url, 0.3)) == CheckOutcome(False, f"no response from {url} within 0.3 s")


def test_unreachable_address() -> None:
    outcome = asyncio.run(check("tcp://255.255.255.255:9"))
    assert not outcome.good
    assert outcome.detail.startswith("connection to tcp://255.255.255.255:9 failed: ")
