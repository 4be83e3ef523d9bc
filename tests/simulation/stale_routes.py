"""Check of routes to a failed service: how long the network still has them (Shape 1, E1)."""

from tests.simulation.exabgp import Silence
from tests.simulation.impairments import Impairment
from tests.simulation.machine import Machine
from tests.simulation.neighbor import Neighbor
from tests.simulation.node import prefix

CHECK_INTERVAL = 0.5
"""Seconds of virtual time between two checks."""
LIMIT = 4.0
"""Seconds within which routes are withdrawn, the repetitions after a session came up included."""
DISTURBED_LIMIT = 30.0
"""The same if ExaBGP replies late or not at all, and after a change of the configuration: leftovers are seen
in the table, which is read less often if its answer takes time."""
SILENT_LIMIT = 15.0
"""The same if ExaBGP executes commands, but does not reply."""
DISTURBED_BY = frozenset({Impairment.EXABGP_SILENT, Impairment.REFUSED})
LEFTOVER_TIME = 10.0
"""Seconds after a change of the configuration until routes of the earlier one are withdrawn."""
BLOCKED_BY = frozenset({Impairment.EXABGP_PAUSED, Impairment.AGENT, Impairment.AGENT_PAUSED})
"""Impairments with which no agent can withdraw a route."""


class StaleRoutes:
    """Checks all machines.

    Args:
        machines: all machines.
        exabgp_delay: seconds until an ExaBGP processes a command.
    """

    def __init__(self, machines: list[Machine], exabgp_delay: float) -> None:
        self._machines = machines
        self._delay = 4 * exabgp_delay
        self._blocked_until = dict.fromkeys((machine.name for machine in machines), 0.0)
        self._silences: dict[str, tuple[float, float]] = {}
        """The first and the last check of the last silence of each machine's ExaBGP."""
        self._silent: set[str] = set()
        """Machines whose ExaBGP writes nothing, as of the last check."""
        self.next_check_at = 0.0
        """The time of the next check."""

    def check(self, now: float) -> None:
        """Check the routes of all machines whose service has failed; call it periodically."""
        self.next_check_at = now + CHECK_INTERVAL
        for machine in self._machines:
            reasons = machine.impairments.reasons
            self._observe_silence(machine, now)
            if reasons & BLOCKED_BY or self._hides_leftovers(machine):
                self._blocked_until[machine.name] = now
            elif Impairment.CHECK in reasons and machine.check.down_since is not None:
                since = max(machine.check.down_since, self._blocked_until[machine.name])
                self._check(machine, since, self._limit(machine, now), now)

    def _observe_silence(self, machine: Machine, now: float) -> None:
        if machine.exabgp and machine.exabgp.silence is Silence.EVERYTHING:
            began = self._silences[machine.name][0] if machine.name in self._silent else now
            self._silences[machine.name] = began, now
            self._silent.add(machine.name)
        else:
            self._silent.discard(machine.name)

    def _hides_leftovers(self, machine: Machine) -> bool:
        """Return whether ExaBGP writes nothing since a change of the configuration.

        The routes of the earlier configuration are found in ExaBGP's table.
        """
        return (
            machine.name in self._silent
            and machine.configured_at > self._silences[machine.name][0] - LEFTOVER_TIME
        )

    def _up_seen_at(self, machine: Machine, neighbor: Neighbor) -> float:
        """Return when the agent could see that the session was up.

        ExaBGP can send a route that was withdrawn before the session came up. The agent withdraws it again
        once it sees the session, which an ExaBGP that writes nothing hides.
        """
        began, last = self._silences.get(machine.name, (float("inf"), 0.0))
        return max(neighbor.up_at, last) if neighbor.up_at > began - 4 * CHECK_INTERVAL else neighbor.up_at

    def _limit(self, machine: Machine, now: float) -> float:
        if machine.exabgp and machine.exabgp.silence is not Silence.NOTHING:
            limit = SILENT_LIMIT
        elif machine.impairments.reasons & DISTURBED_BY:
            limit = DISTURBED_LIMIT
        else:
            limit = LIMIT
        if now < machine.configured_at + DISTURBED_LIMIT:
            limit = DISTURBED_LIMIT
        return self._delay + limit

    def _check(self, machine: Machine, since: float, limit: float, now: float) -> None:
        pool = {prefix(vip) for vip in machine.settings.pool}
        for neighbor in machine.neighbors:
            up_at = self._up_seen_at(machine, neighbor)
            if neighbor.works and now > max(since, up_at, neighbor.path_restored_at) + limit:
                stale = sorted(pool & {route.partition(" ")[0] for route in known_routes(machine, neighbor)})
                assert not stale, (
                    f"{machine.name} still announces {', '.join(stale)} to {neighbor.settings.address}: "
                    f"its service is down since {machine.check.down_since:.3f}"
                )


def known_routes(machine: Machine, neighbor: Neighbor) -> dict[str, str]:
    """Return the routes of a neighbour, without leftovers that no agent can know of.

    If the configuration has changed, a route that ExaBGP's table does not show may be such a leftover.
    """
    if machine.configured_at <= machine.exabgp_started_at:
        return neighbor.wire
    shown = neighbor.shown
    return {route: attributes for route, attributes in neighbor.wire.items() if route in shown}


def is_sent_again(machine: Machine, prefix: str, now: float) -> bool:
    """Return whether a route with a new path identifier is being sent again (E2).

    For a neighbour without ADD-PATH, the withdrawal of the old one removes it, for two of ExaBGP's flushes.
    """
    return now < machine.configured_at + LEFTOVER_TIME and any(
        prefix in neighbor.shown for neighbor in machine.neighbors if not neighbor.settings.add_path
    )
