"""A program of its own: puts addresses on the loopback interface, or removes them, by netlink.

    python -m vipagent.agent.netlink add|remove PREFIX...

It says one line for each: `done PREFIX`, `idle PREFIX` (there was nothing to do), or `failed PREFIX ERRNO`.
Who may not add an address is told `idle` all the same if the kernel takes its packets already.
The agent runs it as a child: the library takes 14 MB of memory, and wants to run an event loop of its own.
"""

import errno
import socket
import sys
from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from pyroute2 import IPRoute, NetlinkError

LOOPBACK = "lo"
RTN_LOCAL = 2
"""The type of a route to an address of this machine (linux/rtnetlink.h)."""
NOTHING_TO_DO = {"add": {errno.EEXIST}, "remove": {errno.EADDRNOTAVAIL}}
VERBS = {"add": "add", "remove": "del"}
"""The library's, by ours."""


def change(verb: str, prefixes: Sequence[str]) -> Iterator[str]:
    """Add or remove each of the prefixes, and yield what is to be said about it.

    Raises:
        OSError: netlink itself is out of reach.
    """
    index = socket.if_nametoindex(LOOPBACK)
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
    """Ask the kernel, as anybody may, whether it delivers packets to this address itself."""
    try:
        return any(route["type"] == RTN_LOCAL for route in netlink.route("get", dst=address))
    except NetlinkError:
        return False


if __name__ == "__main__":
    for said in change(sys.argv[1], sys.argv[2:]):
        print(said, flush=True)
