"""Test harness of the core: sends events and returns the actions as lines of text."""

from collections.abc import Iterable
from typing import Any

from tests.quick.core.pools import OWN, OWNERS, members, service
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.types import CheckResult, Claim, StoreState

ALL_VIPS = tuple(vip for (vip,) in OWNERS)


class CoreHarness:
    """The core of the node that owns 10.0.0.1, in virtual time.

    Args:
        accepted: whether announcements are accepted automatically.
        changes: non-default settings of the service.
    """

    def __init__(self, *, accepted: bool = True, **changes: Any) -> None:
        self.now = 0.0
        self.timer: float | None = None
        self._accepted = accepted
        self.core = Service(service(**changes), self.now)

    def send(self, event: events.Event) -> list[str]:
        """Send one event, and the resulting acceptances; return the actions."""
        todo = self.core.handle(event, self.now)
        lines = [line for action in todo for line in self._lines(action)]
        for action in todo:
            if isinstance(action, actions.Announce) and self._accepted:
                lines += self.send(events.RouteAccepted(action.vip))
        return lines

    def good(self) -> list[str]:
        return self.send(events.CheckFinished(CheckResult.GOOD))

    def bad(self) -> list[str]:
        return self.send(events.CheckFinished(CheckResult.BAD))

    def disabled(self) -> list[str]:
        return self.send(events.CheckFinished(CheckResult.DISABLED))

    def store(self, state: StoreState) -> list[str]:
        return self.send(events.StoreChanged(state))

    def members(self, *vips: str) -> list[str]:
        """Send a snapshot of the members; owned VIPs are registered by this agent."""
        return self.send(events.MembersSeen(members(*vips, ours=self.core.settings.owned)))

    def holder(self, claim: Claim, node: str = "node9") -> list[str]:
        """Send a snapshot in which all VIPs are registered, the owned one by this holder."""
        return self.send(events.MembersSeen(members(*ALL_VIPS) | {OWN: events.Member(claim, node)}))

    def maintenance(self, *whose: str) -> list[str]:
        """Send the maintenance keys: any of `service`, `node`, `now`."""
        seen = events.MaintenanceSeen(service="service" in whose, node="node" in whose, now="now" in whose)
        return self.send(seen)

    def neighbors(self, established: int, families: Iterable[int] | None = None) -> list[str]:
        known = None if families is None else frozenset(families)
        return self.send(events.NeighborsChanged(established, known))

    def table(self, *vips: str) -> list[str]:
        """Report that ExaBGP announces these VIPs."""
        return self.send(events.TableRead(frozenset(vips)))

    def addresses_missing(self, *vips: str) -> list[str]:
        """Report the VIPs of any service that cannot be added to the loopback interface."""
        return self.send(events.AddressesMissing(dict.fromkeys(vips, "no permission")))

    def wait(self, seconds: float) -> list[str]:
        """Advance the time; return the actions of the timers."""
        end, lines = self.now + seconds, []
        while self.timer is not None and self.timer <= end:
            self.now, self.timer = self.timer, None
            lines += self.send(events.TimerFired())
        self.now = end
        return lines

    @property
    def registered(self) -> set[str]:
        """VIPs that the node wants to be registered."""
        return self.core._registrations.requested

    def facts(self, vip: str) -> actions.VipReport:
        """Return the state of a VIP."""
        assert self.core.report is not None
        return self.core.report.vips[vip]

    def reason(self, vip: str) -> str:
        """Return the reason word of a VIP."""
        return self.facts(vip).reason

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


def reading(**changes: Any) -> CoreHarness:
    """Return a node that has read the store, where all other nodes are registered; no check has run."""
    node = CoreHarness(**changes)
    node.store(StoreState.CONNECTED)
    node.maintenance()
    node.members(*(set(node.core.settings.pool) - set(node.core.settings.owned)))
    return node


def serving(**changes: Any) -> CoreHarness:
    """Return a node that serves its own VIP, as do all other nodes."""
    node = reading(**changes)
    node.good()
    node.neighbors(1)
    node.members(*node.core.settings.pool)
    node.wait(60)
    return node


def taking_over(**changes: Any) -> CoreHarness:
    """Return a node that has taken over 10.0.0.2 from its dead owner."""
    node = serving(**changes)
    node.members(*(set(node.core.settings.pool) - {"10.0.0.2"}))
    return node
