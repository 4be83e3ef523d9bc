"""The VIPs on the loopback interface (`--ip-setup`): `netlink` puts them there, as a short-lived child."""

import asyncio
import errno
import logging
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from vipagent.checks import process

log = logging.getLogger(__name__)

TIME_LIMIT = 10.0
"""Seconds for all addresses together; 0.3 s is usual."""
RETRY_EVERY = 10.0
"""Seconds between two attempts to add what could not be added, or is not known to be there."""
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
        self.unanswered: Mapping[str, str] = {}
        """The VIPs that the last child said nothing about, and why: what was known of them still counts."""
        self._one_at_a_time = asyncio.Lock()

    async def want(self, vips: Collection[str]) -> None:
        """Add what is not there of all that is wanted from now on; log what goes wrong, once for each VIP."""
        async with self._one_at_a_time:
            await self._add(vips, set(vips) - self.added)

    async def retry(self) -> None:
        """Try once more to add what is missing, and what may be."""
        async with self._one_at_a_time:
            vips = self.missing.keys() | self.unanswered.keys()
            if vips:
                await self._add(vips, vips)

    async def remove(self, vips: Collection[str]) -> None:
        """Remove VIPs that were added; what goes wrong is logged."""
        async with self._one_at_a_time:
            ours = self.added & set(vips)
            answers = await _change("remove", ours)
            self.added -= ours - answers.failed.keys() - answers.none.keys()
        for vip, error in {**answers.failed, **answers.none}.items():
            _tell("cannot remove address", vip, error)

    async def _add(self, wanted: Collection[str], vips: Collection[str]) -> None:
        answers = await _change("add", vips)
        missing, unanswered = self.missing, self.unanswered
        self.added |= answers.done
        # A child that fails says nothing about the addresses: they have not gone with it.
        self.missing = {**{vip: missing[vip] for vip in answers.none if vip in missing}, **answers.failed}
        self.unanswered = answers.none
        for vip, error in answers.failed.items():
            if missing.get(vip) != error:
                _tell("cannot add address: the VIP is not announced", vip, error)
        for vip, error in answers.none.items():
            if unanswered.get(vip) != error:
                _tell("cannot find out whether the address is there: what was known still counts", vip, error)
        doubted = missing.keys() | unanswered.keys()
        for vip in sorted((doubted - self.missing.keys() - self.unanswered.keys()) & set(wanted)):
            log.info("address is there", extra={"fields": {"vip": vip}})


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a child has said about the VIPs that it was asked about; those in no field are as asked."""

    done: frozenset[str]
    """Those for which something was done."""
    failed: dict[str, str]
    """Those for which it could not be done, and why."""
    none: dict[str, str]
    """Those that it said nothing about, and why: for them, anything may be true."""


async def _change(verb: str, vips: Collection[str]) -> _Answers:
    if not vips:
        return _Answers(frozenset(), {}, {})
    command = [sys.executable, "-P", "-m", "vipagent.agent.netlink", verb, *sorted(vips)]
    try:
        finished = await process.run(command, {}, TIME_LIMIT, keep=LONGEST)
    except OSError as error:
        return _Answers(frozenset(), {}, dict.fromkeys(sorted(vips), f"no child process: {error}"))
    done, failed, unanswered = set(), dict[str, str](), set(vips)
    for line in finished.output.decode(errors="replace").splitlines():
        match line.split():
            case ["done", vip] if vip in unanswered:
                done.add(vip)
            case ["idle", vip] if vip in unanswered:
                pass
            case ["failed", vip, code] if vip in unanswered and code.isdecimal():
                failed[vip] = REMEDIES.get(int(code), os.strerror(int(code)))
            case _:
                continue
        unanswered.remove(vip)
    return _Answers(frozenset(done), failed, dict.fromkeys(sorted(unanswered), _ending(finished)))


def _ending(finished: process.Finished) -> str:
    """Say why the child has not answered for an address."""
    if finished.status is None:
        return f"not done within {TIME_LIMIT:g} s"
    return f"the program that does it ended with status {finished.status}: {finished.tail}"


def _tell(message: str, vip: str, error: str) -> None:
    log.error(message, extra={"fields": {"vip": vip, "error": error}})
