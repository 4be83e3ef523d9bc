"""A check by HTTP, in this process (C1)."""

from functools import partial

from vipagent import __version__
from vipagent.checks.network import Target, attempt
from vipagent.checks.outcome import CheckOutcome
from vipagent.net.http import HttpClient, unencrypted
from vipagent.net.protocol import Request
from vipagent.net.tls import Verify, system_context

MAX_CHECK_HEAD = 16384
"""Maximum size of the headers in bytes, including informational responses (1xx); the body is not read."""
SUCCESS_STATUS = range(200, 400)


class HttpCheck:
    """Succeeds if a GET request returns status 2xx or 3xx in time; redirects are not followed.

    Args:
        target: the URL.
        timeout: in seconds, from the connection to the end of the headers.
        verify: verification of the certificate for `https`, with the system's authorities.
    """

    def __init__(self, target: Target, timeout: float, verify: Verify = Verify.YES) -> None:
        self._target = target
        self._time_limit = timeout
        self._tls = partial(system_context, verify) if target.scheme == "https" else unencrypted
        headers = {
            "Host": target.authority,
            "User-Agent": f"vipagent/{__version__}",
            "Accept": "*/*",
            "Connection": "close",
        }
        self._request = Request("GET", target.path, headers)

    async def run(self) -> CheckOutcome:
        """Send one request."""
        return await attempt(self._target.url, self._time_limit, self._ask())

    async def _ask(self) -> CheckOutcome:
        async with HttpClient(self._target.server, self._tls, max_head=MAX_CHECK_HEAD) as client:
            head = await client.begin(self._request, self._time_limit)
        return CheckOutcome(head.status in SUCCESS_STATUS, f"HTTP {head.status} from {self._target.url}")
