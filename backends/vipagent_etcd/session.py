"""The session: one server after the other, one lease over all of them, its state by a clock of our own."""

import asyncio
import logging
import random
import time

from vipagent.core.words import StoreState
from vipagent.net.endpoint import Endpoint
from vipagent.store.backend import Listener, StoreConfigError, StoreSettings
from vipagent_etcd.errors import EtcdError, Refused, Unreachable
from vipagent_etcd.following import Follower
from vipagent_etcd.gateway import STATUS, Access, Gateway, deadline
from vipagent_etcd.lease import Lease
from vipagent_etcd.registrations import Registrations
from vipagent_etcd.watches import Watches

PATIENCE = 2.0
"""Seconds for a server to answer, at most; else a quarter of the session's life, so that there is time for
another server."""
PAUSE = (0.05, 1.0)
"""Seconds, at first and at most, before the next server is tried."""

log = logging.getLogger(__name__)


class Session:
    """Serves from one server until its first fault, then from the next, for ever. Lives on the loop."""

    def __init__(
        self, servers: tuple[Endpoint, ...], access: Access, settings: StoreSettings, listener: Listener
    ) -> None:
        """Prepare; nothing is connected.

        Args:
            servers: all of them; where to begin is left to chance, so that agents spread.
            access: how to be let in.
            settings: who we are, and how long a session shall live.
            listener: told the session's state, and what is watched.
        """
        self.lease = Lease(settings.session_timeout, time.monotonic)
        self.registrations = Registrations(settings.node, settings.instance, self.lease)
        self.watches = Watches(self.registrations.claim, listener.snapshot)
        self.closing = asyncio.Event()
        """To be set when it shall end."""
        self._servers = servers
        self._access = access
        self._listener = listener
        self._turn = random.randrange(len(servers))  # noqa: S311  no secret
        self._failures = 0
        self._causes: dict[Endpoint, str] = {}
        self._told: tuple[StoreState, str] | None = None
        self._ready = asyncio.Event()
        self._follower: Follower | None = None

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """All servers, the one that is used or tried next first."""
        first = self._turn % len(self._servers)
        return self._servers[first:] + self._servers[:first]

    @property
    def patience(self) -> float:
        """Seconds that a server has to answer."""
        return min(PATIENCE, self.lease.life / 4)

    async def run(self) -> None:
        """Connect, and go on until `closing` is set."""
        serving = asyncio.create_task(self._serve_in_turn())
        await self.closing.wait()
        serving.cancel()
        await asyncio.wait({serving})

    async def end(self, within: float) -> None:
        """End the lease, and with it all our entries, on the first server that answers in time."""
        until = time.monotonic() + within
        for place, server in enumerate(self.servers):
            patience = (until - time.monotonic()) / (len(self._servers) - place)
            try:
                async with deadline(patience), Gateway(server, self._access, patience) as gateway:
                    await self.lease.revoke(gateway)
                return
            except (EtcdError, StoreConfigError) as fault:
                log.info("etcd: %s: the lease was not revoked: %s", server, fault)

    def look_again(self) -> None:
        """Take note that other things are to be watched."""
        if self._follower is not None:
            self._follower.look_again()

    async def _serve_in_turn(self) -> None:
        while not self.closing.is_set():  # a cancellation is lost when a task group fails meanwhile
            await asyncio.sleep(_pause(self._failures))
            server = self.servers[0]
            try:
                await self._serve(server)
            except (EtcdError, StoreConfigError) as fault:
                self._failed(server, str(fault))
            except Exception as error:
                cause = f"not understood: {type(error).__name__}: {error}"
                if self._causes.get(server) != cause:
                    log.exception("etcd: %s", server)
                self._failed(server, cause)
            self._turn += 1
            self._failures += 1

    async def _serve(self, server: Endpoint) -> None:
        """Hold the lease, follow the watch and make wishes true, until the first fault of any.

        Raises:
            EtcdError: the fault.
        """
        async with Gateway(server, self._access, self.patience) as gateway:
            await self.lease.hold(gateway)
            detail = f"{server}: etcd {await _version(gateway)}, lease of {self.lease.life:g} s"
            self._follower = Follower(
                gateway, self.watches, self.registrations, lambda: self._connected(detail)
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    self._follower.start(tasks)
                    tasks.create_task(self._keep_lease(gateway, self._follower))
                    tasks.create_task(self._make_true(gateway))
            except ExceptionGroup as faults:
                raise faults.exceptions[0] from None
            finally:
                self._follower = None
                self._ready.clear()

    async def _keep_lease(self, gateway: Gateway, follower: Follower) -> None:
        while True:
            await asyncio.sleep(max(0.0, self.lease.next_beat - time.monotonic()))
            if not self.lease.is_alive:
                raise Unreachable(f"no keep-alive was confirmed for {self.lease.life:g} s")
            follower.heard(await self.lease.keep_alive(gateway))
            self._failures = 0

    async def _make_true(self, gateway: Gateway) -> None:
        await self._ready.wait()
        await self.registrations.settle(gateway)

    def _connected(self, detail: str) -> None:
        if not self._ready.is_set():
            self._causes.clear()
            self._ready.set()
            self._say(StoreState.CONNECTED, detail)

    def _failed(self, server: Endpoint, cause: str) -> None:
        self._causes[server] = cause
        self._say_trouble()
        if self.lease.is_alive:
            asyncio.get_running_loop().call_at(self.lease.expires, self._expired)

    def _expired(self) -> None:
        """The lease's time may be up, and no server may have been found meanwhile."""
        if not self._ready.is_set() and not self.lease.is_alive:
            self._say_trouble()

    def _say_trouble(self) -> None:
        state = StoreState.UNSURE if self.lease.is_alive else StoreState.LOST
        self._say(state, "; ".join(f"{server}: {cause}" for server, cause in sorted(self._causes.items())))

    def _say(self, state: StoreState, detail: str) -> None:
        """Tell what is news."""
        if self._told != (state, detail):
            self._told = (state, detail)
            self._listener.session(state, detail)


def _pause(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row, with jitter."""
    if failures == 0:
        return 0.0
    first, most = PAUSE
    return min(most, first * 2.0 ** min(failures - 1, 10)) * random.uniform(0.5, 1.0)  # noqa: S311  no secret


async def _version(gateway: Gateway) -> str:
    """Return the server's version; one that keeps it to itself is served as well."""
    try:
        return str((await gateway.ask(STATUS, {}, any_token=True)).get("version", "?"))
    except Refused:
        return "of unknown version"
