"""The session with Consul: created, renewed, verified, ended.

The session ends with the first of up to three failures: the TTL check of the agent's service
(`session: check`), the serfHealth check of the Consul agent (`serf_health`), and always its TTL, which is the
only one that works if a machine fails together with the Consul agent that would have failed the check.
"""

import asyncio
import math
import time
from contextlib import suppress

from vipagent.store.backend import StoreSettings
from vipagent.store.driver import Disconnected, DriverError
from vipagent_consul.client import ConsulClient
from vipagent_consul.options import ConsulOptions

MIN_CHECK_TTL = 1.0
"""Minimum TTL of the check in seconds: it is passed three times per TTL."""
CHECK_SYNC_TIMEOUT = 0.5
"""Maximum time in seconds until Consul's servers know a new check."""
ELECTION_GRACE = 10.0
"""Time in seconds for which a check is kept passing at the previous Consul agent: after an election, the new
leader would end the session of a check that has failed in the meantime."""


class SessionKind:
    """Creates and renews sessions according to the options."""

    def __init__(self, settings: StoreSettings, options: ConsulOptions) -> None:
        self._settings = settings
        self._options = options
        self._has_check = options.session == "check"
        self._check = f"{options.service}:{settings.node}:{settings.instance}"
        self.ttl = max(options.ttl, math.ceil(settings.session_timeout))
        """Session TTL in seconds; at least `timeout`, because it is renewed in that interval."""
        self.timeout = max(MIN_CHECK_TTL, settings.session_timeout) if self._has_check else float(self.ttl)
        """Guaranteed lifetime of the session in seconds after a renewal."""

    def describe(self) -> str:
        """Describe the checks of the session for operators."""
        ends = [f"session TTL {self.ttl} s (Consul may wait up to twice that)"]
        if self._options.serf_health:
            ends.insert(0, "serfHealth")
        if self._has_check:
            ends.insert(0, f"check TTL {self.timeout:g} s")
        return f"session: {', '.join(ends)}"

    async def create(self, client: ConsulClient) -> str:
        """Create a session."""
        node_checks = ["serfHealth"] if self._options.serf_health else []
        service_checks = [self._check] if self._has_check else []
        if self._has_check:
            await client.register_service(self._options.service, self._check, self.timeout)
            await client.pass_check(self._check)  # an existing check keeps its state
        deadline = time.monotonic() + CHECK_SYNC_TIMEOUT
        while True:
            try:
                return await client.create_session(
                    f"vipagent {self._settings.node}", self.ttl, node_checks, service_checks
                )
            except Disconnected as error:
                # the Consul agent synchronizes the check, or its new state, to its servers with a delay
                fresh = "Missing check" in str(error) or "critical state" in str(error)
                if not fresh or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.02)

    async def renew(self, client: ConsulClient, session: str) -> bool:
        """Renew the session and its check; return whether the session exists."""
        if self._has_check and not await client.pass_check(self._check):
            return False
        return await client.renew_session(session)

    async def keep_check_passing(self, client: ConsulClient) -> None:
        """Keep the check passing for a limited time, regardless of the session."""
        with suppress(DriverError):
            for _ in range(math.ceil(3 * ELECTION_GRACE / self.timeout)):
                if not self._has_check or not await client.pass_check(self._check):
                    break
                await asyncio.sleep(self.timeout / 3)

    async def clean_up(self, client: ConsulClient) -> None:
        """Deregister the service of the sessions."""
        if self._has_check:
            await client.deregister_service(self._check)
