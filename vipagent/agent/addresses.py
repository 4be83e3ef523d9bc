"""The VIPs on the loopback interface (`--ip-setup`): `netlink` puts them there, as a short-lived child."""

import errno
import logging
import os
import sys
from collections.abc import Collection

from vipagent.checks import process

log = logging.getLogger(__name__)

TIME_LIMIT = 10.0
"""Seconds for all addresses together; 0.3 s is usual."""
LONGEST = 1 << 20
"""Bytes of what the child says."""
REMEDIES = {
    errno.EPERM: "no permission: run the agent with CAP_NET_ADMIN (under ExaBGP: exabgp_daemon_user=root), "
    "or set the addresses up by other means and leave ip_setup out",
    errno.EACCES: "IPv6 is turned off here: see net.ipv6.conf.lo.disable_ipv6",
}


async def add(vips: Collection[str]) -> frozenset[str]:
    """Put VIPs on the loopback interface; return those that were not there before, which are ours to remove.

    What goes wrong is logged; it keeps nothing from being announced.
    """
    return await _change("add", vips)


async def remove(added: Collection[str]) -> frozenset[str]:
    """Remove what `add` has returned, and return what was removed; what goes wrong is logged."""
    return await _change("remove", added)


async def _change(verb: str, vips: Collection[str]) -> frozenset[str]:
    if not vips:
        return frozenset()
    command = [sys.executable, "-P", "-m", "vipagent.agent.netlink", verb, *sorted(vips)]
    try:
        finished = await process.run(command, {}, TIME_LIMIT, keep=LONGEST)
    except OSError as error:
        _tell(f"cannot {verb} addresses", error=f"no child process: {error}")
        return frozenset()
    done = set()
    for line in finished.output.decode(errors="replace").splitlines():
        match line.split():
            case ["done", vip] if vip in vips:
                done.add(vip)
            case ["failed", vip, code] if vip in vips and code.isdecimal():
                _tell(
                    f"cannot {verb} address", vip=vip, error=REMEDIES.get(int(code), os.strerror(int(code)))
                )
    if finished.status != 0:
        _tell(f"cannot {verb} all addresses", status=finished.status, error=finished.tail)
    return frozenset(done)


def _tell(message: str, **fields: object) -> None:
    log.error(message, extra={"fields": fields})
