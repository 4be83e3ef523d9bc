"""VIPs on the loopback interface (`--ip-setup`), added by `netlink` in a short-lived child process."""

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
"""Timeout in seconds for all addresses; typically 0.3 s."""
ADDRESS_RETRY_INTERVAL = 10.0
"""Interval in seconds to retry addresses that are missing or unknown."""
MAX_HELPER_OUTPUT = 1 << 20
"""Maximum size of the child's output in bytes."""
ERRNO_REMEDIES = {
    errno.EPERM: "no permission: run the agent with CAP_NET_ADMIN (under ExaBGP: exabgp_daemon_user=root), "
    "or add the addresses by other means and disable ip_setup",
    errno.EACCES: "IPv6 is disabled: see net.ipv6.conf.lo.disable_ipv6",
}


class Loopback:
    """Addresses that this agent has added to the loopback interface, and failures."""

    def __init__(self) -> None:
        self.added: frozenset[str] = frozenset()
        """VIPs that this agent has added, and will remove."""
        self.missing: Mapping[str, str] = {}
        """VIPs that are missing, with the error: they must not be announced."""
        self.unanswered: Mapping[str, str] = {}
        """VIPs that the last child did not report, with the error: their last known state applies."""
        self._one_at_a_time = asyncio.Lock()

    async def set_desired(self, vips: Collection[str]) -> None:
        """Set the desired VIPs and add the missing ones; log each error once per VIP."""
        async with self._one_at_a_time:
            await self._add(vips, set(vips) - self.added)

    async def retry(self) -> None:
        """Retry missing and unknown VIPs."""
        async with self._one_at_a_time:
            vips = self.missing.keys() | self.unanswered.keys()
            if vips:
                await self._add(vips, vips)

    async def remove(self, vips: Collection[str]) -> None:
        """Remove VIPs that were added; errors are logged."""
        async with self._one_at_a_time:
            ours = self.added & set(vips)
            answers = await _change("remove", ours)
            self.added -= ours - answers.failed.keys() - answers.none.keys()
        for vip, error in {**answers.failed, **answers.none}.items():
            _log_failure("cannot remove address", vip, error)

    async def _add(self, desired: Collection[str], vips: Collection[str]) -> None:
        answers = await _change("add", vips)
        missing, unanswered = self.missing, self.unanswered
        self.added |= answers.done
        # A failed child provides no information about the addresses, so their state is kept.
        self.missing = {**{vip: missing[vip] for vip in answers.none if vip in missing}, **answers.failed}
        self.unanswered = answers.none
        for vip, error in answers.failed.items():
            if missing.get(vip) != error:
                _log_failure("cannot add address, not announcing the VIP", vip, error)
        for vip, error in answers.none.items():
            if unanswered.get(vip) != error:
                _log_failure(
                    "cannot check whether the address exists, keeping the last known state", vip, error
                )
        unconfirmed = missing.keys() | unanswered.keys()
        for vip in sorted((unconfirmed - self.missing.keys() - self.unanswered.keys()) & set(desired)):
            log.info("address exists", extra={"fields": {"vip": vip}})


@dataclass(frozen=True, slots=True)
class _ChildResults:
    """Results of a child process; VIPs in no field are in the requested state."""

    done: frozenset[str]
    """VIPs that were changed."""
    failed: dict[str, str]
    """VIPs that could not be changed, with the error."""
    none: dict[str, str]
    """VIPs that were not reported, with the error: their state is unknown."""


async def _change(verb: str, vips: Collection[str]) -> _ChildResults:
    if not vips:
        return _ChildResults(frozenset(), {}, {})
    command = [sys.executable, "-P", "-m", "vipagent.agent.netlink", verb, *sorted(vips)]
    try:
        finished = await process.run(command, {}, TIME_LIMIT, keep=MAX_HELPER_OUTPUT)
    except OSError as error:
        return _ChildResults(
            frozenset(), {}, dict.fromkeys(sorted(vips), f"cannot start the helper process: {error}")
        )
    done, failed, unanswered = set(), dict[str, str](), set(vips)
    for line in finished.output.decode(errors="replace").splitlines():
        match line.split():
            case ["done", vip] if vip in unanswered:
                done.add(vip)
            case ["idle", vip] if vip in unanswered:
                pass
            case ["failed", vip, code] if vip in unanswered and code.isdecimal():
                failed[vip] = ERRNO_REMEDIES.get(int(code), os.strerror(int(code)))
            case _:
                continue
        unanswered.remove(vip)
    return _ChildResults(frozenset(done), failed, dict.fromkeys(sorted(unanswered), _ending(finished)))


def _ending(finished: process.Finished) -> str:
    """Describe why the child has not reported an address."""
    if finished.status is None:
        return f"the helper process did not finish within {TIME_LIMIT:g} s"
    return f"the helper process exited with status {finished.status}: {finished.tail}"


def _log_failure(message: str, vip: str, error: str) -> None:
    log.error(message, extra={"fields": {"vip": vip, "error": error}})
