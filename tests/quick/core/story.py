"""One core told as a story: something happens, and what the core asks for comes back as lines of text."""

from typing import Any

from tests.quick.core.pools import OWN, OWNERS, members, service
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.types import CheckResult, Claim, StoreState

EVERYBODY = tuple(vip for (vip,) in OWNERS)


class Story:
    """A node that owns 10.0.0.1, the first of three; its ExaBGP takes what it is told.

    Args:
        accepted: whether ExaBGP accepts announcements by itself.
        changes: of the service's settings.
    """

    def __init__(self, *, accepted: bool = True, **changes: Any) -> None:
        self.now = 0.0
        self.timer: float | None = None
        self._accepted = accepted
        self.core = Service(service(**changes), self.now)

    def tell(self, event: events.Event) -> list[str]:
        """Feed one event, and what follows from it at once; return the lines."""
        todo = self.core.handle(event, self.now)
        lines = [line for action in todo for line in self._lines(action)]
        for action in todo:
            if isinstance(action, actions.Announce) and self._accepted:
                lines += self.tell(events.RouteAccepted(action.vip))
        return lines

    def good(self) -> list[str]:
        return self.tell(events.Checked(CheckResult.GOOD))

    def bad(self) -> list[str]:
        return self.tell(events.Checked(CheckResult.BAD))

    def disabled(self) -> list[str]:
        return self.tell(events.Checked(CheckResult.DISABLED))

    def store(self, state: StoreState) -> list[str]:
        return self.tell(events.StoreChanged(state))

    def members(self, *vips: str) -> list[str]:
        """Tell the members: the own VIPs' are this agent's."""
        return self.tell(events.MembersSeen(members(*vips, ours=self.core.settings.owned)))

    def holder(self, claim: Claim, node: str = "node9") -> list[str]:
        """Tell that all are members, and who holds the own VIP."""
        return self.tell(events.MembersSeen(members(*EVERYBODY) | {OWN: events.Member(claim, node)}))

    def maintenance(self, *whose: str) -> list[str]:
        """Tell the maintenance keys: any of `service`, `node`, `now`."""
        seen = events.MaintenanceSeen(service="service" in whose, node="node" in whose, now="now" in whose)
        return self.tell(seen)

    def neighbors(self, established: int) -> list[str]:
        return self.tell(events.NeighborsChanged(established))

    def addresses_missing(self, *vips: str) -> list[str]:
        """Tell which VIPs cannot be put on the loopback interface; of any service."""
        return self.tell(events.AddressesMissing(dict.fromkeys(vips, "no permission")))

    def wait(self, seconds: float) -> list[str]:
        """Let time pass; return what the timers brought."""
        end, lines = self.now + seconds, []
        while self.timer is not None and self.timer <= end:
            self.now, self.timer = self.timer, None
            lines += self.tell(events.TimerFired())
        self.now = end
        return lines

    def reason(self, vip: str) -> str:
        """Return why this VIP is, or is not, announced."""
        assert self.core.report is not None
        return self.core.report.vips[vip].reason

    def _lines(self, action: actions.Action) -> list[str]:
        match action:
            case actions.Announce(vip, preference, reason):
                draining = " draining" if preference.draining else ""
                return [f"announce {vip} at rank {preference.rank}{draining}: {reason}"]
            case actions.Withdraw(vip, reason):
                return [f"withdraw {vip}: {reason}"]
            case actions.Register(vip):
                return [f"register {vip}"]
            case actions.Deregister(vip, reason):
                return [f"deregister {vip}: {reason}"]
            case actions.SetTimer(at):
                self.timer = at
        return []


def reading(**changes: Any) -> Story:
    """Return a node that has read the store, where everybody else is a member; nothing was checked yet."""
    node = Story(**changes)
    node.store(StoreState.CONNECTED)
    node.maintenance()
    node.members(*(set(node.core.settings.pool) - set(node.core.settings.owned)))
    return node


def serving(**changes: Any) -> Story:
    """Return a node that serves its own VIP in a pool where everybody else does, too."""
    node = reading(**changes)
    node.good()
    node.neighbors(1)
    node.members(*node.core.settings.pool)
    node.wait(60)
    return node


def taking_over(**changes: Any) -> Story:
    """Return a node that has taken over 10.0.0.2, whose owner is dead."""
    node = serving(**changes)
    node.members(*(set(node.core.settings.pool) - {"10.0.0.2"}))
    return node
