"""A program that adds addresses to the loopback interface, or removes them, by netlink.

    python -m vipagent.agent.netlink add|remove PREFIX...

It prints one line for each: `done PREFIX`, `idle PREFIX` (nothing to do), or `failed PREFIX ERRNO`. Without
permission, it prints `idle` if the kernel already accepts packets for the address.
The agent runs it as a child process, because the library needs 14 MB of memory and a separate event loop.
"""

import errno
import socket
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from pyroute2 import IPRoute, NetlinkError

LOOPBACK_INTERFACE = "lo"
RTN_LOCAL = 2
"""Type of a route to a local address (linux/rtnetlink.h)."""
NOTHING_TO_DO = {"add": {errno.EEXIST}, "remove": {errno.EADDRNOTAVAIL}}
VERBS = {"add": "add", "remove": "del"}
"""Commands of the library by verb."""


def change(verb: str, prefixes: Sequence[str]) -> Iterator[str]:
    """Add or remove each of the prefixes, and yield its result line.

    Raises:
        OSError: netlink is not available.
    """
    index = socket.if_nametoindex(LOOPBACK_INTERFACE)
    with IPRoute() as netlink:
        for prefix in prefixes:
            network = ip_network(prefix)
            try:
                netlink.addr(
                    VERBS[verb],
                    index=index,
                    address=str(network.network_address),
                    prefixlen=network.prefixlen,
                )
            except NetlinkError as error:
                idle = error.code in NOTHING_TO_DO[verb] or (
                    verb == "add" and _is_local(netlink, str(network.network_address))
                )
                yield f"idle {prefix}" if idle else f"failed {prefix} {error.code}"
            else:
                yield f"done {prefix}"


def _is_local(netlink: IPRoute, address: str) -> bool:
    """Return whether the kernel has a local route to this address; needs no privileges."""
    try:
        return any(route["type"] == RTN_LOCAL for route in netlink.route("get", dst=address))
    except NetlinkError:
        return False


if __name__ == "__main__":
    for line in change(sys.argv[1], sys.argv[2:]):
        print(line, flush=True)
