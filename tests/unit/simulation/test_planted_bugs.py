"""The simulator detects these bugs, injected into the real core, within a few seeds."""

from collections.abc import Callable, Mapping

import pytest

from tests.simulation.exabgp import FOREIGN_ROUTE
from tests.simulation.plan import FaultKind
from tests.simulation.run import explain, fails, run
from vipagent.core import decision
from vipagent.core.actions import Action, Deregister, SetTimer
from vipagent.core.decision import Decision
from vipagent.core.events import Event, Member
from vipagent.core.registration import Registrations
from vipagent.core.service import Service
from vipagent.core.state import Deadlines, ServiceState, View
from vipagent.engine.gate import Gate
from vipagent.engine.leftovers import Leftovers
from vipagent.exabgp.commands import CommandQueue
from vipagent.exabgp.links import Links
from vipagent.exabgp.neighbors import Neighbors
from vipagent.exabgp.table import Routes
from vipagent.types import Reason, StoreState

SEEDS, FAULTS, MANY_FAULTS = 40, 30, 60

Inject = Callable[[pytest.MonkeyPatch], None]


def no_settle(patch: pytest.MonkeyPatch) -> None:
    """Treat every missing member as down immediately (L3)."""
    patch.setattr(View, "is_presumed_alive", lambda _self, _vip, _deadlines: False)


def withdrawal_before_release(patch: pytest.MonkeyPatch) -> None:
    """Hand a VIP back as soon as the owner is registered (H1)."""

    def hand_back(state: ServiceState, vip: str, deadlines: Deadlines) -> Decision:
        return Decision(Reason.STANDBY)

    patch.setattr(decision, "_hand_back", hand_back)


def registration_before_acceptance(patch: pytest.MonkeyPatch) -> None:
    """Register when the route is requested, not when it is accepted (G1)."""
    desired = Registrations.desired

    def at_once(self: Registrations, state: ServiceState) -> set[str]:
        self.accepted |= {vip for vip, preference in state.requested.items() if preference}
        return desired(self, state)

    patch.setattr(Registrations, "desired", at_once)


def lost_store_is_treated_as_empty(patch: pytest.MonkeyPatch) -> None:
    """Treat unknown members as an empty set (Shape 6)."""
    changed = View.store_changed

    def forget(self: View, state: StoreState, now: float) -> None:
        changed(self, state, now)
        if state is StoreState.LOST:
            self.members = {}

    patch.setattr(View, "store_changed", forget)


def no_deregistration(patch: pytest.MonkeyPatch) -> None:
    """Never deregister; leave it to the end of the session (G2)."""
    handle = Service.handle

    def without_deregistration(self: Service, event: Event, now: float) -> list[Action]:
        return [action for action in handle(self, event, now) if not isinstance(action, Deregister)]

    patch.setattr(Service, "handle", without_deregistration)


def every_candidate_takes_over(patch: pytest.MonkeyPatch) -> None:
    """With `one`, let every candidate take over an orphan (A2)."""
    for policy in decision._TAKEOVER_RANKS:
        patch.setitem(decision._TAKEOVER_RANKS, policy, lambda *_known: 1)


def no_snapshots_after_reconnection(patch: pytest.MonkeyPatch) -> None:
    """Ignore snapshots after a reconnection (L4)."""
    update = View.update

    def only_the_first(self: View, members: Mapping[str, Member], now: float) -> None:
        if not self.known or self.fresh:
            update(self, members, now)

    patch.setattr(View, "update", only_the_first)


def no_timer(patch: pytest.MonkeyPatch) -> None:
    """Never set a timer (A6)."""
    handle = Service.handle

    def without_timer(self: Service, event: Event, now: float) -> list[Action]:
        return [action for action in handle(self, event, now) if not isinstance(action, SetTimer)]

    patch.setattr(Service, "handle", without_timer)


def no_repetition(patch: pytest.MonkeyPatch) -> None:
    """Repeat neither withdrawals nor, after a neighbour came up, any command (E2, A6)."""
    patch.setattr(CommandQueue, "neighbor_up", lambda _self, _now: None)
    patch.setattr("vipagent.exabgp.prefixes.WITHDRAW_REPEAT_DELAY", 1e9)


def no_resend_after_neighbor_up(patch: pytest.MonkeyPatch) -> None:
    """Ignore that a neighbour came up (A6)."""
    patch.setattr(CommandQueue, "neighbor_up", lambda _self, _now: None)


def ignored_carrier(patch: pytest.MonkeyPatch) -> None:
    """Wait for ExaBGP's hold timer when a carrier is lost (N3)."""
    patch.setattr(Gate, "links_changed", lambda _self, _down, _interfaces, _now: None)


def carrier_lost_for_good(patch: pytest.MonkeyPatch) -> None:
    """Never count a session again that has survived the loss of its carrier (N3)."""
    patch.setattr(Links, "details_read", lambda _self, _details: None)


def trusted_carrier(patch: pytest.MonkeyPatch) -> None:
    """Count a session again as soon as its carrier is back, though the neighbour may have closed it (N3)."""
    patch.setattr(Links, "excluded", property(lambda self: self.down.keys()))


def ignored_hang(patch: pytest.MonkeyPatch) -> None:
    """Never consider ExaBGP hung (N2)."""
    patch.setattr(Neighbors, "_hangs_at", None)


def leftovers_stay(patch: pytest.MonkeyPatch) -> None:
    """Leave what an earlier run has announced (E2)."""
    patch.setattr(Leftovers, "_withdraw", lambda _self, _leftovers: [])


def every_route_is_a_leftover(patch: pytest.MonkeyPatch) -> None:
    """Withdraw other processes' routes (E2)."""
    patch.setattr(Routes, "has", lambda _self, prefix, _path_id, _neighbor: prefix == FOREIGN_ROUTE)


@pytest.mark.parametrize(
    "inject",
    [
        no_settle,
        withdrawal_before_release,
        registration_before_acceptance,
        lost_store_is_treated_as_empty,
        no_deregistration,
        every_candidate_takes_over,
        no_snapshots_after_reconnection,
        no_timer,
        no_repetition,
        no_resend_after_neighbor_up,
    ],
)
def test_injected_bug_is_detected(inject: Inject, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch)
    assert any(fails(seed, FAULTS) for seed in range(SEEDS))


NETWORK = (FaultKind.CARRIER_LOSS, FaultKind.BGP_LOSS)
SILENCE = (FaultKind.EXABGP_SILENT, FaultKind.EXABGP_PAUSED, FaultKind.CHECK_FAILS)
CONFIGURATION = (FaultKind.CONFIG_CHANGED, FaultKind.AGENT_KILLED)


@pytest.mark.parametrize(
    ("inject", "kinds"),
    [
        (ignored_carrier, NETWORK),
        (carrier_lost_for_good, NETWORK),
        (trusted_carrier, NETWORK),
        (ignored_hang, SILENCE),
        (leftovers_stay, CONFIGURATION),
        (every_route_is_a_leftover, CONFIGURATION),
    ],
)
def test_injected_bug_is_detected_with_some_kinds_of_faults(
    inject: Inject, kinds: tuple[FaultKind, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(monkeypatch)
    assert any(fails(seed, MANY_FAULTS, kinds) for seed in range(SEEDS))


def test_failure_lists_a_minimal_set_of_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = 1
    withdrawal_before_release(monkeypatch)
    failure = run(seed, FAULTS)
    assert failure is not None
    assert "H1" in failure.violation
    assert len(failure.plan.faults) < FAULTS / 2
    text = str(failure)
    assert text.startswith(f"seed {seed}: at ")
    for fault in failure.plan.faults:
        assert f"{fault.at:10.3f}  node{fault.node}  {fault.kind}" in text
    assert "=> Withdraw 10.0." in failure.timeline
    assert explain(failure.plan) == failure
