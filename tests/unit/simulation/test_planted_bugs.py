"""The simulator detects these bugs, injected into the real core, within a few seeds."""

from collections.abc import Callable, Mapping

import pytest

from tests.simulation.run import explain, fails, run
from vipagent.core import decision
from vipagent.core.actions import Action, Deregister, SetTimer
from vipagent.core.decision import Decision
from vipagent.core.events import Event, Member
from vipagent.core.registration import Registrations
from vipagent.core.service import Service
from vipagent.core.state import Deadlines, ServiceState, View
from vipagent.exabgp.commands import CommandQueue
from vipagent.types import Reason, StoreState

SEEDS, FAULTS = 40, 30

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
