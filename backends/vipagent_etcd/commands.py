"""Operators' commands: one request each, on the first server that answers in time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import StoreConfigError, StoreError
from vipagent_etcd.errors import EtcdError, Refused, Silent
from vipagent_etcd.gateway import Access, Gateway, deadline

PAUSE = 0.2
"""Seconds before all the servers are asked again."""

WAITING = ": the login waits for its turn, after others'"

T = TypeVar("T")


async def command(
    servers: Sequence[Endpoint],
    access: Access,
    within: float,
    request: Callable[[Gateway], Awaitable[T]],
) -> T:
    """Make a request on one server after the other, until one answers; each has its share of the time.

    Raises:
        StoreError: it was refused, or there was no answer within so many seconds.
    """
    until = time.monotonic() + within
    causes: dict[Endpoint, str] = {}
    while True:
        for place, server in enumerate(servers):
            share = (until - time.monotonic()) / (len(servers) - place)
            try:
                async with deadline(share), Gateway(server, access, share) as gateway:
                    return await request(gateway)
            except (EtcdError, StoreConfigError) as error:
                if server not in causes or not isinstance(error, Silent):  # else the real cause is known
                    causes[server] = f"{error}{WAITING if access.login.is_in_flight else ''}"
                if isinstance(error, Refused) and not error.passing:
                    raise StoreError(_list(causes)) from error
        if time.monotonic() + PAUSE > until:
            raise StoreError(_list(causes))
        await asyncio.sleep(PAUSE)


def _list(causes: dict[Endpoint, str]) -> str:
    return "; ".join(f"{server}: {cause}" for server, cause in causes.items())
