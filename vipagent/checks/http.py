"""A check by HTTP, in this process: no command, no thread, no pool (C1)."""

from functools import partial

from vipagent import __version__
from vipagent.checks.network import Target, attempt
from vipagent.checks.outcome import Outcome
from vipagent.net.http import HttpClient, unencrypted
from vipagent.net.protocol import Request
from vipagent.net.tls import Verify, system_context

MAX_HEAD = 16384
"""Bytes, informational answers (1xx) before it included; the body is not read."""
GOOD = range(200, 400)


class HttpCheck:
    """Good if a GET is answered with a status of 2xx or 3xx in time; redirections are not followed.

    Args:
        asked: what to get.
        time_limit: seconds, from the connection to the end of the answer's head.
        verify: how the certificate is verified, with `https`, by the authorities that the system trusts.
    """

    def __init__(self, asked: Target, time_limit: float, verify: Verify = Verify.YES) -> None:
        self._asked = asked
        self._time_limit = time_limit
        self._tls = partial(system_context, verify) if asked.scheme == "https" else unencrypted
        headers = {
            "Host": asked.authority,
            "User-Agent": f"vipagent/{__version__}",
            "Accept": "*/*",
            "Connection": "close",
        }
        self._request = Request("GET", asked.path, headers)

    async def run(self) -> Outcome:
        """Ask once."""
        return await attempt(self._asked.url, self._time_limit, self._ask())

    async def _ask(self) -> Outcome:
        async with HttpClient(self._asked.server, self._tls, max_head=MAX_HEAD) as client:
            head = await client.begin(self._request, self._time_limit)
        return Outcome(head.status in GOOD, f"HTTP {head.status} from {self._asked.url}")
