"""Operators' commands: each on a connection of its own, tried on every host until its time is up."""

import time
from collections.abc import Callable
from typing import TypeVar

from vipagent.store.backend import StoreError
from vipagent_consul.client import Client, Held, entry_names
from vipagent_consul.hosts import Hosts
from vipagent_consul.http import Denied, NoAnswer

MAX_TRY = 2.0
"""Seconds that one host may take."""
MIN_TRY = 0.2
"""Seconds without which none is asked again."""

T = TypeVar("T")


def carry_out(hosts: Hosts, timeout: float, command: Callable[[Client], T]) -> T:
    """Return what the command returns.

    Raises:
        StoreError: Consul denies it, or no host has carried it out within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    cause: StoreError | None = None
    while True:
        try:
            with hosts.link().client(MAX_TRY, deadline) as client:
                result = command(client)
                hosts.succeeded()
                return result
        except Denied:
            raise
        except StoreError as error:
            if cause is None or not isinstance(error, NoAnswer):  # else the real cause is known
                cause = error
            pause = hosts.failed()
            if time.monotonic() + pause + MIN_TRY >= deadline:
                raise cause from None
            time.sleep(pause)


def read(client: Client, path: str) -> dict[str, Held]:
    """Return a directory's entries."""
    _, found = client.entries(path)
    return {name: found[name] for name in entry_names(found)}


def erase(client: Client, path: str) -> bool:
    """Delete a key; return whether there was one."""
    while (held := client.get(path)) is not None:
        if client.delete(path, held.index):
            return True
    return False
