"""The VIPs on the loopback interface (`--ip-setup`): `netlink` puts them there, as a short-lived child."""

import asyncio
import errno
import logging
import os
import sys
from collections.abc import Collection, Mapping

from vipagent.checks import process

log = logging.getLogger(__name__)

TIME_LIMIT = 10.0
"""Seconds for all addresses together; 0.3 s is usual."""
RETRY_EVERY = 10.0
"""Seconds between two attempts to add what could not be added."""
LONGEST = 1 << 20
"""Bytes of what the child says."""
REMEDIES = {
    errno.EPERM: "no permission: run the agent with CAP_NET_ADMIN (under ExaBGP: exabgp_daemon_user=root), "
    "or set the addresses up by other means and leave ip_setup out",
    errno.EACCES: "IPv6 is turned off here: see net.ipv6.conf.lo.disable_ipv6",
}


class Loopback:
    """What this agent has put on the loopback interface, and what it could not."""

    def __init__(self) -> None:
        self.added: frozenset[str] = frozenset()
        """The VIPs that were not there before: ours to remove."""
        self.missing: Mapping[str, str] = {}
        """The VIPs that are not there and could not be added, and why: none of them may be announced."""
        self._one_at_a_time = asyncio.Lock()

    async def want(self, vips: Collection[str]) -> None:
        """Add what is not there of all that is wanted from now on; log what goes wrong, once for each VIP."""
        async with self._one_at_a_time:
            await self._add(vips, set(vips) - self.added, self.missing)

    async def retry(self) -> None:
        """Try once more to add what is missing."""
        async with self._one_at_a_time:
            if self.missing:
                await self._add(self.missing, self.missing, self.missing)

    async def remove(self, vips: Collection[str]) -> None:
        """Remove VIPs that were added; what goes wrong is logged."""
        async with self._one_at_a_time:
            done, failed = await _change("remove", self.added & set(vips))
            self.added -= done
        for vip, error in failed.items():
            _tell("cannot remove address", vip, error)

    async def _add(self, wanted: Collection[str], vips: Collection[str], before: Mapping[str, str]) -> None:
        done, failed = await _change("add", vips)
        self.added |= done
        self.missing = failed
        for vip, error in failed.items():
            if before.get(vip) != error:
                _tell("cannot add address: the VIP is not announced", vip, error)
        for vip in sorted(before.keys() - failed.keys() & set(wanted)):
            log.info("address is there", extra={"fields": {"vip": vip}})


async def _change(verb: str, vips: Collection[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Return for which VIPs something was done, and for which it failed, and why."""
    if not vips:
        return frozenset(), {}
    command = [sys.executable, "-P", "-m", "vipagent.agent.netlink", verb, *sorted(vips)]
    try:
        finished = await process.run(command, {}, TIME_LIMIT, keep=LONGEST)
    except OSError as error:
        return frozenset(), dict.fromkeys(sorted(vips), f"no child process: {error}")
    done, answers = set(), dict[str, str]()
    for line in finished.output.decode(errors="replace").splitlines():
        match line.split():
            case ["done", vip]:
                done.add(vip)
                answers[vip] = ""
            case ["idle", vip]:
                answers[vip] = ""
            case ["failed", vip, code] if code.isdecimal():
                answers[vip] = REMEDIES.get(int(code), os.strerror(int(code)))
    unanswered = _ending(finished)
    errors = {vip: answers.get(vip, unanswered) for vip in sorted(vips)}
    return frozenset(done & set(vips)), {vip: error for vip, error in errors.items() if error}


def _ending(finished: process.Finished) -> str:
    """Say why the child has not answered for an address."""
    if finished.status is None:
        return f"not done within {TIME_LIMIT:g} s"
    return f"the program that does it ended with status {finished.status}: {finished.tail}"


def _tell(message: str, vip: str, error: str) -> None:
    log.error(message, extra={"fields": {"vip": vip, "error": error}})
