"""A check by HTTP, in this process: no command, no thread, no pool (C1)."""

from functools import partial

import h11

from vipagent import __version__
from vipagent.checks.channel import Channel, encrypted, plain
from vipagent.checks.network import Endpoint, attempt
from vipagent.checks.outcome import Outcome
from vipagent.net.tls import Verify

LARGEST_HEAD = 16384
"""Bytes, informational answers (1xx) before it included; the body is not read."""
GOOD = range(200, 400)


class HttpCheck:
    """Good if a GET is answered with a status of 2xx or 3xx in time; redirections are not followed.

    Args:
        where: what to get.
        time_limit: seconds, from the connection to the end of the answer's head.
        verify: how the certificate is verified, with `https`.
    """

    def __init__(self, where: Endpoint, time_limit: float, verify: Verify = Verify.YES) -> None:
        self._where = where
        self._time_limit = time_limit
        self._connected = partial(encrypted, verify=verify) if where.scheme == "https" else plain
        headers = {
            "Host": where.authority,
            "User-Agent": f"vipagent/{__version__}",
            "Accept": "*/*",
            "Connection": "close",
        }
        self._request = h11.Request(method="GET", target=where.target, headers=list(headers.items()))

    async def run(self) -> Outcome:
        """Ask once."""
        return await attempt(self._where, self._time_limit, self._ask())

    async def _ask(self) -> Outcome:
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        async with self._connected(self._where) as channel:
            await channel.send(http.send(self._request) or b"")
            http.send(h11.EndOfMessage())
            try:
                status = await _status(http, channel)
            except h11.RemoteProtocolError as error:
                return Outcome(False, f"no HTTP from {self._where.url}: {error}")
        return Outcome(status in GOOD, f"HTTP {status} from {self._where.url}")


async def _status(http: h11.Connection, channel: Channel) -> int:
    """Read until the head of the answer is there, and return its status.

    Raises:
        h11.RemoteProtocolError: there is none, or not within `LARGEST_HEAD` bytes.
    """
    read = 0
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            if read >= LARGEST_HEAD:
                raise h11.RemoteProtocolError(f"no final status in the first {read} bytes of the answer")
            data = await channel.receive()
            read += len(data)
            http.receive_data(data)
