"""BGP sessions of a simulated machine: how they are established and lost, and when each side notices it.

==================  ==========================================================================================
loss                who notices it, and when
==================  ==========================================================================================
session closed      both sides at once
carrier             the agent, from the kernel, after `CARRIER_DELAY`; ExaBGP by its hold timer; the neighbour
                    at once, or by its hold timer if there is a switch between
path                both sides by their hold timers, or the neighbour at once (its port is down)
ExaBGP is paused    the neighbour by its hold timer; ExaBGP when it resumes
==================  ==========================================================================================

A session survives an interruption that neither side notices. If only the neighbour has noticed it, ExaBGP
learns it from the reset that answers its next keep-alive.
"""

from collections.abc import Callable, Mapping

from tests.simulation.environment import Environment
from tests.simulation.exabgp import ExaBGP, Silence
from tests.simulation.impairments import Impairment, Impairments
from tests.simulation.neighbor import Neighbor

MAX_SESSION_DELAY = 2.0
"""Maximum time in seconds to establish a BGP session."""
CARRIER_DELAY = 0.01, 0.6
"""Range of the seconds until the kernel reports a change of a carrier (measured)."""
POLL_DELAY = 2.5
"""Seconds until an agent that receives no events has asked for the sessions."""
INTERFACES = ("eth0", "eth1", "eth2")


class Sessions:
    """The BGP sessions of the current ExaBGP of one machine.

    Args:
        require_bgp: the number of neighbours without which the machine must not be registered.
        environment: the objects shared by all machines.
        impairments: the impairments of the machine.
        deliver: receives lines of ExaBGP's output.
        on_links: called when the kernel reports a change of a carrier.
        log: receives messages for the timeline.
    """

    def __init__(
        self,
        require_bgp: int,
        environment: Environment,
        impairments: Impairments,
        *,
        deliver: Callable[[list[str]], None],
        on_links: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self.exabgp: ExaBGP | None = None
        self.noticed_by = 0.0
        """When the agent must have noticed the last loss of a session, unless it was restarted meanwhile."""
        self._require_bgp = require_bgp
        self._environment = environment
        self._clock = environment.clock
        self._impairments = impairments
        self._deliver = deliver
        self._on_links = on_links
        self._log = log
        self._faults: dict[int, int] = {}
        """Number of active faults that keep the session with a neighbour down, by its index."""
        self._no_path: dict[int, int] = {}
        """Number of active faults because of which no packet passes."""
        self._no_carrier: dict[int, int] = {}
        """Number of active faults that keep an interface of the machine down."""
        self._pauses = 0
        """Number of pauses of ExaBGP."""

    @property
    def links_down(self) -> Mapping[str, str]:
        """The interface of each neighbour whose interface is down, as the kernel knows it."""
        neighbors = self.exabgp.neighbors if self.exabgp else []
        return {
            neighbor.settings.address: INTERFACES[index]
            for index, neighbor in enumerate(neighbors)
            if self._no_carrier.get(index)
        }

    def start(self, exabgp: ExaBGP) -> None:
        """Connect a new ExaBGP, unless faults prevent it."""
        self.exabgp = exabgp
        for index, neighbor in enumerate(exabgp.neighbors):
            if self._no_path.get(index):
                neighbor.silence(self._clock.now)
            self._connect_soon(exabgp, index)

    def end(self) -> None:
        """Drop all sessions: ExaBGP has ended."""
        self.exabgp = None
        self._impairments.add(Impairment.BGP, self._clock.now)

    def close(self, indices: list[int]) -> Callable[[], None]:
        """Keep sessions down; both sides notice it at once. Return a call that ends it."""
        for index in indices:
            self._faults[index] = self._faults.get(index, 0) + 1
            if neighbor := self._neighbor(index):
                self._noticed(0.0)
                self._go_down(neighbor)

        def end() -> None:
            for index in indices:
                self._faults[index] -= 1
                self.connect_soon(index)

        return end

    def interrupt(self, indices: list[int], *, carrier: bool, neighbor_notices: bool) -> Callable[[], None]:
        """Let no packet pass between ExaBGP and neighbours.

        Args:
            indices: the neighbours.
            carrier: whether the machine's interface loses its carrier.
            neighbor_notices: whether the neighbours notice it at once.

        Returns:
            A call that ends it.
        """
        for index in indices:
            self._no_path[index] = self._no_path.get(index, 0) + 1
            if carrier:
                self._no_carrier[index] = self._no_carrier.get(index, 0) + 1
                self._carrier_changed()
            if neighbor := self._neighbor(index):
                self._silence(neighbor, carrier=carrier, neighbor_notices=neighbor_notices)
        self.update()

        def end() -> None:
            for index in indices:
                self._no_path[index] -= 1
                if carrier:
                    self._no_carrier[index] -= 1
                    self._carrier_changed()
                self._restore_path(index, carrier=carrier)
            self.update()

        return end

    def pause(self, exabgp: ExaBGP) -> None:
        """Let the hold timers of the neighbours run: ExaBGP is paused."""
        self._pauses += 1
        pauses = self._pauses
        for neighbor in exabgp.neighbors:
            self._schedule_drop(exabgp, neighbor, lambda: exabgp.paused and self._pauses == pauses)

    def resume(self, exabgp: ExaBGP) -> None:
        """Let ExaBGP notice the sessions that its neighbours have closed meanwhile."""
        for index, neighbor in enumerate(exabgp.neighbors):
            if neighbor.established and not neighbor.holds:
                self._go_down(neighbor)
            if not neighbor.established:
                self._connect_soon(exabgp, index)
        self.update()

    def agent_started(self) -> None:
        """Let a new or resumed agent notice lost sessions only when ExaBGP does."""
        for neighbor in self.exabgp.neighbors if self.exabgp else []:
            if neighbor.established and not neighbor.works:
                self._noticed(neighbor.settings.hold_time)

    def connect_soon(self, index: int) -> None:
        """Establish the session with a neighbour after a random delay, unless a fault prevents it."""
        if self.exabgp:
            self._connect_soon(self.exabgp, index)

    def update(self) -> None:
        """Update the impairments and the served VIPs."""
        neighbors = self.exabgp.neighbors if self.exabgp else []
        working = sum(neighbor.works for neighbor in neighbors)
        for missing, impairment in (
            (not working, Impairment.BGP),
            (working < self._require_bgp, Impairment.GATE),
        ):
            change = self._impairments.add if missing else self._impairments.clear
            change(impairment, self._clock.now)
        self._environment.observer.routes_changed()

    def _connect_soon(self, exabgp: ExaBGP, index: int) -> None:
        neighbor = exabgp.neighbors[index]

        def connect() -> None:
            possible = not (self._faults.get(index) or self._no_path.get(index) or exabgp.paused)
            if self.exabgp is exabgp and possible and not neighbor.established:
                self._log(f"the BGP session with {neighbor.settings.address} is established")
                self._send(exabgp.set_session(self._clock.now, established=True, only=neighbor))

        self._clock.after(self._environment.rng.uniform(0.1, MAX_SESSION_DELAY), connect)

    def _go_down(self, neighbor: Neighbor) -> None:
        """Close the session on ExaBGP's side, and on the other if packets pass."""
        exabgp = self.exabgp
        if exabgp is None:
            return
        if exabgp.paused:
            neighbor.drop(self._clock.now)
            self.update()
        elif neighbor.established:
            self._log(f"ExaBGP closes the BGP session with {neighbor.settings.address}")
            self._send(exabgp.set_session(self._clock.now, established=False, only=neighbor))

    def _silence(self, neighbor: Neighbor, *, carrier: bool, neighbor_notices: bool) -> None:
        exabgp, now = self.exabgp, self._clock.now
        if exabgp is None or neighbor.silent_since is not None:
            return
        neighbor.silence(now)
        expires_in = max(0.0, neighbor.last_heard(now) + neighbor.settings.hold_time - now)
        self._noticed(min(expires_in, CARRIER_DELAY[1]) if carrier else expires_in)
        if neighbor_notices:
            neighbor.drop(now)
        else:
            self._schedule_drop(exabgp, neighbor, lambda: neighbor.silent_since == now)

        def hold_timer_expires() -> None:
            if self.exabgp is exabgp and neighbor.silent_since == now:
                self._go_down(neighbor)

        self._clock.at(neighbor.last_heard(now) + neighbor.settings.hold_time, hold_timer_expires)

    def _schedule_drop(self, exabgp: ExaBGP, neighbor: Neighbor, condition: Callable[[], bool]) -> None:
        """Close the neighbour's side of a session when its hold timer expires, if it still hears nothing."""
        up_at = neighbor.up_at

        def drop() -> None:
            if self.exabgp is exabgp and neighbor.up_at == up_at and neighbor.holds and condition():
                self._log(f"{neighbor.settings.address} closes the BGP session: hold timer expired")
                neighbor.drop(self._clock.now)
                self.update()

        self._clock.at(neighbor.last_heard(self._clock.now) + neighbor.settings.hold_time, drop)

    def _restore_path(self, index: int, *, carrier: bool) -> None:
        neighbor, exabgp, now = self._neighbor(index), self.exabgp, self._clock.now
        if neighbor is None or self._no_path[index] or neighbor.silent_since is None:
            return
        known = carrier and now > neighbor.silent_since + CARRIER_DELAY[1]
        neighbor.end_silence(now)
        up_at = neighbor.up_at

        def reset() -> None:
            lost = neighbor.up_at == up_at and not neighbor.holds and neighbor.silent_since is None
            if self.exabgp is exabgp and lost:
                self._go_down(neighbor)
                self.connect_soon(index)

        if not neighbor.established:
            neighbor.drop()  # its next keep-alive is answered with a reset
        if neighbor.established and not neighbor.holds:
            interval = neighbor.keepalive_interval
            if not known:  # the agent counts it as down until it is proven to be up
                self._noticed(interval)
            self._clock.at(now + interval - (now - up_at) % interval, reset)
        else:
            self.connect_soon(index)

    def _carrier_changed(self) -> None:
        self._clock.after(self._environment.rng.uniform(*CARRIER_DELAY), self._on_links)

    def _noticed(self, delay: float) -> None:
        """Record that the agent must notice a loss within a delay, after that of a poll without events."""
        if self.exabgp and not self.exabgp.dialect.events:
            delay += POLL_DELAY
        self.noticed_by = max(self.noticed_by, self._clock.now + delay)

    def _neighbor(self, index: int) -> Neighbor | None:
        return self.exabgp.neighbors[index] if self.exabgp else None

    def _send(self, output: list[str]) -> None:
        exabgp = self.exabgp
        if output and exabgp and exabgp.silence is not Silence.EVERYTHING:
            self._deliver(output)
        self.update()
