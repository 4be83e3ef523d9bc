"""How long a VIP may be unserved while somebody could serve it: the bound that the rules promise.

A VIP is served if a route to it is on some machine's wire. While it is not, each machine that could serve it,
its power, ExaBGP, agent, check, BGP session and store being well and no maintenance on, has a deadline:

================  =======================================================================================
who               by when
================  =======================================================================================
the owner         now: it announces its VIP once it could (A1); `start_grace` later without the store (L2)
hot standby       now; or once it has settled (L3), if it has just connected (A4)
a survivor,       once it has settled, and the owner's registration is gone: at once if its agent lives and
`all`, `ranked`   reaches the store (G2), else with its session, `LATEST` lives after its last change (A2)
a survivor,       as above, both waits in a row, from the last change of any machine or member: it relies on
`one`             the takers before it, and each of them may die or settle, too
================  =======================================================================================

"Now" is the time of the messages between a fact and the wire: `Outages.delay`. A restarted store gives every
session a new life, so sessions end that much later. Nobody has a deadline for a VIP that somebody else has
registered (G3), or whose owner believes to serve it: its BGP session is down without a gate, or its ExaBGP
stands still.
"""

from tests.simulation.health import INTERVAL
from tests.simulation.hindrances import UNNOTICED, Hindrance
from tests.simulation.machine import Machine
from tests.simulation.node import prefix
from tests.simulation.server import LATEST, Held, Server
from tests.simulation.surroundings import Pace
from vipagent.store.layout import member_name
from vipagent.store.records import Registration
from vipagent.types import OnStoreLoss, Standby, Takeover

SLACK = 1.0
"""Seconds added to every deadline."""
BETWEEN_LOOKS = 0.25
"""Seconds of virtual time: what is unserved does not become anybody's fault from one event to the next."""
SILENCE = 2.5
"""Seconds until a new agent is sure that ExaBGP does not reply."""
TELLS_AT_ONCE = frozenset({Hindrance.CHECK, Hindrance.NODE_MAINTENANCE})
"""An owner with nothing else in its way deregisters by itself (G2)."""


class Outages:
    """Watches all VIPs.

    Args:
        machines: all of them.
        server: the store.
        pace: how fast things are.
        missed: called with what is wrong.
    """

    def __init__(self, machines: list[Machine], server: Server, pace: Pace) -> None:
        self.delay = SLACK + 4 * pace.hop + 4 * pace.exabgp + (0 if pace.acks else SILENCE)
        self._machines = machines
        self._server = server
        self._settings = machines[0].settings
        self._owners = {vip: machine for machine in machines for vip in machine.settings.owned}
        self._prefixes = {vip: prefix(vip) for vip in self._settings.pool}
        self._unserved: dict[str, float] = dict.fromkeys(self._settings.pool, 0.0)
        self.next_look = 0.0
        """When `check` has to be called again."""
        self._unfathomable: set[str] = set()
        self._excused_until: dict[str, float] = {}
        """Until when others were right to believe that somebody serves a VIP."""

    def recount(self, now: float) -> None:
        """Look at all wires again."""
        wires = [machine.wire for machine in self._machines if machine.wire]
        for vip, name in self._prefixes.items():
            if any(name in wire for wire in wires):
                self._unserved.pop(vip, None)
            elif vip not in self._unserved:
                self._unserved[vip] = now

    def check(self, now: float) -> None:
        """Look at what is unserved; to be called now and then, before anything changes."""
        self.next_look = now + BETWEEN_LOOKS
        if not self._unserved:
            return
        self._unfathomable = {machine.name for machine in self._machines if self._is_unfathomable(machine)}
        for vip, since in self._unserved.items():
            for machine in self._machines:
                deadline = self._deadline(vip, since, machine, now)
                assert deadline is None or now <= deadline, (
                    f"{vip} is unserved since {since:.3f}; {machine.name} should serve it by {deadline:.3f}"
                )

    def _deadline(self, vip: str, since: float, machine: Machine, now: float) -> float | None:
        """Return the time by which a machine must have a route to a VIP; None: it need not."""
        owner = self._owners[vip]
        hot = self._settings.standby is Standby.HOT
        one = self._settings.takeover is Takeover.ONE
        if machine is owner:
            return self._of_owner(vip, since, machine, now)
        able = machine.hindrances.able_since
        if able is None:
            return None
        settled = max(since, able + self._settings.settle) + self.delay
        if hot and not one:
            return settled
        relied_on = self._machines if one else [owner]
        if any(other.name in self._unfathomable for other in relied_on):
            self._excused_until[vip] = now
            return None
        since = max(since, self._excused_until.get(vip, 0.0))
        return self._of_one(since) if one else max(settled, self._gone(vip, since, owner) + self.delay)

    def _of_owner(self, vip: str, since: float, owner: Machine, now: float) -> float | None:
        able, alone = owner.hindrances.able_since, owner.hindrances.self_reliant_since
        sees_a_conflict = able is None and owner.agent is not None and vip in owner.agent.report.conflicts
        if self._contested(vip) or sees_a_conflict:  # the store may be away, and the conflict over
            self._excused_until[vip] = now
            return None
        since = max(since, self._excused_until.get(vip, 0.0))
        if able is not None:
            return max(since, able) + self.delay
        if alone is None or self._settings.on_store_loss is OnStoreLoss.WITHDRAW:
            return None
        return max(since, alone + self._settings.start_grace) + self.delay

    def _gone(self, vip: str, since: float, owner: Machine) -> float:
        """Return when the owner's registration is gone, or should be."""
        name = member_name(vip)
        held = self._server.members.get(name)
        if held is None:
            return max(since, self._server.gone_since.get(name, 0.0))
        changed = max(since, owner.hindrances.changed_at)
        if owner.hindrances.reasons <= TELLS_AT_ONCE and not self._contested(vip):
            return changed + (self._settings.fall + 1) * INTERVAL
        return max(changed, self._server.up_since) + LATEST * self._server.life

    def _of_one(self, since: float) -> float:
        changes = [machine.hindrances.changed_at for machine in self._machines]
        last = max(since, self._server.changed_at, self._server.up_since, *changes)
        return last + LATEST * self._server.life + self._settings.settle + self.delay

    def _of_this_life(self, held: Held, owner: Machine) -> bool:
        session = owner.agent.client.session if owner.agent else None
        return session is not None and held.session is session

    def _contested(self, vip: str) -> bool:
        """Say whether a registration is somebody else's, or so disfigured that its owner can't tell."""
        held = self._server.members.get(member_name(vip))
        if held is None:
            return False
        owner = self._owners[vip]
        if self._of_this_life(held, owner):
            return False
        return held.session is None or Registration.load(held.value).node != owner.name

    def _is_unfathomable(self, machine: Machine) -> bool:
        """Say whether others are right to count on a machine that does not serve."""
        if any(self._contested(vip) for vip in machine.settings.owned):
            return True
        reasons = machine.hindrances.reasons
        noticed = {Hindrance.BGP, Hindrance.STALLED} if self._settings.require_bgp else set()
        if machine.agent is not None and machine.agent.report.neighbors is None:
            noticed.discard(Hindrance.STALLED)  # it was never answered, so nobody can tell
        return bool(reasons & UNNOTICED - noticed) and Hindrance.AGENT not in reasons
