"""Check of outages: how long a VIP may be unserved while a machine could serve it.

A VIP is served if the neighbour of any machine has a route to it. Otherwise, each machine without impairments
has a deadline to announce it:

================  =======================================================================================
machine           deadline
================  =======================================================================================
owner             immediately (A1); without the store after `start_grace` (L2)
hot standby       immediately; after a (re)connection, once it has settled (A4, L3)
survivor with     once it has settled and the owner's registration is removed: immediately if the owner's
`all`, `ranked`   agent reaches the store (G2), otherwise `MAX_EXPIRY` session timeouts after its last
                  change (A2)
survivor with     the sum of both waits, since the last change of any machine or member, because each
`one`             candidate before it may fail or settle, too
================  =======================================================================================

"Immediately" means within `Outages.delay`, the latency of the messages involved. All session timeouts start
again when the store restarts. There is no deadline if another client has registered the VIP (G3), or if the
owner cannot detect its failure: the BGP session is down and there is no BGP gate, or ExaBGP is paused.
"""

from tests.simulation.environment import Timing
from tests.simulation.faults import EXTRA_LATENCY
from tests.simulation.impairments import UNDETECTED, Impairment
from tests.simulation.local_check import RESULT_INTERVAL
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.server import MAX_EXPIRY, MemberEntry, Server
from vipagent.store.layout import member_name
from vipagent.store.records import Registration
from vipagent.types import OnStoreLoss, Standby, Takeover

TOLERANCE = 1.0
"""Tolerance added to every deadline, in seconds."""
CHECK_INTERVAL = 0.25
"""Seconds of virtual time between two checks."""
ACK_DETECTION_TIME = 2.5
"""Seconds until a new agent has detected that acknowledgements are disabled."""
DEREGISTERS_AT_ONCE = frozenset({Impairment.CHECK, Impairment.NODE_MAINTENANCE})
"""Impairments with which an owner deregisters its VIPs immediately (G2)."""


class Outages:
    """Checks all VIPs.

    Args:
        machines: all machines.
        server: the store.
        timing: the delays of this run.
    """

    def __init__(self, machines: list[Machine], server: Server, timing: Timing) -> None:
        self._delay = TOLERANCE + 4 * timing.latency + 4 * timing.exabgp_delay
        self._machines = machines
        self._server = server
        self._settings = machines[0].settings
        self._owners = {vip: machine for machine in machines for vip in machine.settings.owned}
        self._prefixes = {vip: prefix(vip) for vip in self._settings.pool}
        self._unserved: dict[str, float] = dict.fromkeys(self._settings.pool, 0.0)
        self.next_check_at = 0.0
        """The time of the next check."""
        self._blocking: set[str] = set()
        self._no_deadline_until: dict[str, float] = {}
        """Until when no machine had to serve a VIP."""

    def delay(self, machine: Machine) -> float:
        """Return the latency in seconds of the messages involved in an announcement by a machine."""
        return self._delay + (0.0 if machine.exabgp_settings.dialect.acks else ACK_DETECTION_TIME)

    def remove(self, vip: str) -> None:
        """Cease to expect that a VIP is served."""
        del self._prefixes[vip]
        self._unserved.pop(vip, None)

    def restore(self, vip: str, at: float) -> None:
        """Expect that a VIP is served, as if it was unserved since a time."""
        self._prefixes[vip] = prefix(vip)
        self._unserved[vip] = at

    def update(self, now: float) -> None:
        """Update the set of unserved VIPs."""
        neighbors = [neighbor for machine in self._machines for neighbor in machine.neighbors]
        served = {route.partition(" ")[0] for neighbor in neighbors for route in neighbor.reachable_routes}
        for vip, name in self._prefixes.items():
            if name in served:
                self._unserved.pop(vip, None)
            elif vip not in self._unserved:
                self._unserved[vip] = now

    def check(self, now: float) -> None:
        """Check the deadlines of all unserved VIPs; call it periodically, before processing an event."""
        self.next_check_at = now + CHECK_INTERVAL
        if not self._unserved:
            return
        self._blocking = {machine.name for machine in self._machines if self._blocks_takeover(machine)}
        for vip, since in self._unserved.items():
            for machine in self._machines:
                deadline = self._deadline(vip, since, machine, now)
                assert deadline is None or now <= deadline, (
                    f"{vip} is unserved since {since:.3f}; the deadline of {machine.name} was {deadline:.3f}"
                )

    def _deadline(self, vip: str, since: float, machine: Machine, now: float) -> float | None:
        """Return the deadline of a machine to announce a VIP, or None."""
        owner = self._owners[vip]
        hot = self._settings.standby is Standby.HOT
        one = self._settings.takeover is Takeover.ONE
        if machine is owner:
            return self._owner_deadline(vip, since, machine, now)
        able = machine.impairments.able_since
        if able is None:
            return None
        delay = self.delay(machine)
        settled = max(since, able + self._settings.settle) + delay
        if hot and not one:
            return settled
        candidates = self._machines if one else [owner]
        if any(other.name in self._blocking for other in candidates):
            self._no_deadline_until[vip] = now
            return None
        since = max(since, self._no_deadline_until.get(vip, 0.0))
        if one:
            return self._one_deadline(since) + max(map(self.delay, self._machines))
        return max(settled, self._removed_by(vip, since, owner) + delay)

    def _owner_deadline(self, vip: str, since: float, owner: Machine, now: float) -> float | None:
        able, able_alone = owner.impairments.able_since, owner.impairments.able_without_store_since
        reports_conflict = able is None and owner.agent is not None and vip in owner.agent.report.conflicts
        # A reported conflict may be over already if the store is unreachable.
        if self._contested(vip) or reports_conflict:
            self._no_deadline_until[vip] = now
            return None
        since = max(since, self._no_deadline_until.get(vip, 0.0))
        if able is not None:
            return max(since, able) + self.delay(owner)
        if able_alone is None or self._settings.on_store_loss is OnStoreLoss.WITHDRAW:
            return None
        return max(since, able_alone + self._settings.start_grace) + self.delay(owner)

    def _removed_by(self, vip: str, since: float, owner: Machine) -> float:
        """Return when the owner's registration was removed or must be removed."""
        name = member_name(vip)
        entry = self._server.members.get(name)
        if entry is None:
            return max(since, self._server.removed_at.get(name, 0.0))
        changed = max(since, self._noticed_by(owner))
        if owner.impairments.reasons <= DEREGISTERS_AT_ONCE and not self._contested(vip):
            return changed + (self._settings.fall + 1) * RESULT_INTERVAL
        # A keep-alive that the owner sent before it lost the session may still be in transit.
        in_transit = EXTRA_LATENCY[1] if Impairment.LATE in owner.impairments.reasons else 0.0
        return max(changed, self._server.up_since) + in_transit + MAX_EXPIRY * self._server.session_timeout

    def _noticed_by(self, machine: Machine) -> float:
        """Return when the agent must have noticed the last change of its machine."""
        changed_at = machine.impairments.changed_at
        lost = bool(machine.impairments.reasons & {Impairment.BGP, Impairment.GATE})
        return max(changed_at, machine.sessions.noticed_by) if lost else changed_at

    def _one_deadline(self, since: float) -> float:
        changes = [self._noticed_by(machine) for machine in self._machines]
        last = max(since, self._server.members_changed_at, self._server.up_since, *changes)
        return last + MAX_EXPIRY * self._server.session_timeout + self._settings.settle

    def _is_current(self, entry: MemberEntry, owner: Machine) -> bool:
        session = owner.agent.client.session if owner.agent else None
        return session is not None and entry.session is session

    def _contested(self, vip: str) -> bool:
        """Return whether a registration belongs to another client, or does not identify its owner."""
        entry = self._server.members.get(member_name(vip))
        if entry is None:
            return False
        owner = self._owners[vip]
        if self._is_current(entry, owner):
            return False
        return entry.session is None or Registration.load(entry.value).node != owner.name

    def _blocks_takeover(self, machine: Machine) -> bool:
        """Return whether a machine appears to serve its VIPs, although it does not."""
        if any(self._contested(vip) for vip in machine.settings.owned):
            return True
        reasons = machine.impairments.reasons
        detected = {Impairment.BGP, Impairment.EXABGP_PAUSED} if self._settings.require_bgp else set()
        if machine.agent is not None and machine.agent.report.neighbors is None:
            detected.discard(Impairment.EXABGP_PAUSED)  # without any answer, the agent cannot detect a hang
        return bool(reasons & UNDETECTED - detected) and Impairment.AGENT not in reasons
