"""The session with Consul: made, kept alive, verified, ended.

It hangs on up to three things, whichever fails first: the check of the agent's own service
(`session: check`), the gossip's word on the machine of the Consul agent (`serf_health`), and its own time to
live, always: that is what remains when a machine dies with the Consul agent that would have failed the
check.
"""

import asyncio
import math
import time
from contextlib import suppress

from vipagent.store.backend import StoreSettings
from vipagent.store.driver import Disconnected, DriverError
from vipagent_consul.client import Client
from vipagent_consul.options import ConsulOptions

MIN_CHECK = 1.0
"""Seconds of the shortest check: a sign of life is sent three times in it."""
ACCEPTED = 0.5
"""Seconds until a check that was just made must be known to Consul's servers."""
ELECTION = 10.0
"""Seconds for which a check is kept passing at a Consul agent that has been left. Its servers may just elect
a leader, as those of every other Consul agent do, who would then end the session of a check that has failed
meanwhile."""


class SessionKind:
    """How sessions of this agent are made and kept, as its options say."""

    def __init__(self, settings: StoreSettings, options: ConsulOptions) -> None:
        self._settings = settings
        self._options = options
        self._has_check = options.session == "check"
        self._check = f"{options.service}:{settings.node}:{settings.instance}"
        self.ttl = max(options.ttl, math.ceil(settings.session_timeout))
        """Seconds of the session's own time to live; never less than `life`, in which it is renewed."""
        self.life = max(MIN_CHECK, settings.session_timeout) if self._has_check else float(self.ttl)
        """Seconds for which the session lives for certain after a sign of life."""

    def describe(self) -> str:
        """Say for people what ends such a session."""
        ends = [f"its own {self.ttl} s to live, which Consul may count double"]
        if self._options.serf_health:
            ends.insert(0, "the gossip's loss of this Consul agent")
        if self._has_check:
            ends.insert(0, f"{self.life:g} s without a sign of life")
        return f"its session ends by {', or '.join(ends)}"

    async def create(self, client: Client) -> str:
        """Return a new session."""
        node_checks = ["serfHealth"] if self._options.serf_health else []
        service_checks = [self._check] if self._has_check else []
        if self._has_check:
            await client.register_service(self._options.service, self._check, self.life)
            await client.pass_check(self._check)  # one that was there already keeps its state
        deadline = time.monotonic() + ACCEPTED
        while True:
            try:
                return await client.create_session(
                    f"vipagent {self._settings.node}", self.ttl, node_checks, service_checks
                )
            except Disconnected as error:
                # the Consul agent tells its servers about the check (or that it passes again) a moment later
                fresh = "Missing check" in str(error) or "critical state" in str(error)
                if not fresh or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)

    async def renew(self, client: Client, session: str) -> bool:
        """Give a sign of life; return whether the session lives: it can be gone while its check passes."""
        if self._has_check and not await client.pass_check(self._check):
            return False
        return await client.renew_session(session)

    async def keep_passing(self, client: Client) -> None:
        """Keep the check passing for a while, whatever becomes of the session."""
        with suppress(DriverError):
            for _ in range(math.ceil(3 * ELECTION / self.life)):
                if not self._has_check or not await client.pass_check(self._check):
                    break
                await asyncio.sleep(self.life / 3)

    async def tidy(self, client: Client) -> None:
        """Remove what sessions leave behind."""
        if self._has_check:
            await client.deregister_service(self._check)
