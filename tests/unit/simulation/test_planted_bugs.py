"""The simulator finds what it is there to find: these bugs, planted in the real core, within a few seeds."""

from collections.abc import Callable, Mapping

import pytest

from tests.simulation.run import breaks, explain, run
from vipagent.core import decision
from vipagent.core.actions import Action, Deregister, SetTimer
from vipagent.core.decision import Decision
from vipagent.core.events import Event, Member
from vipagent.core.registration import Registrations
from vipagent.core.service import Service
from vipagent.core.state import Deadlines, ServiceState, View
from vipagent.exabgp.speaker import Speaker
from vipagent.types import Reason, StoreState

SEEDS, FAULTS = 40, 30

Plant = Callable[[pytest.MonkeyPatch], None]


def no_settle(patch: pytest.MonkeyPatch) -> None:
    """L3: whoever is not there is gone."""
    patch.setattr(View, "is_presumed_alive", lambda _self, _vip, _deadlines: False)


def withdrawal_before_release(patch: pytest.MonkeyPatch) -> None:
    """H1: a taker gives up as soon as it sees the owner's registration."""

    def hand_back(state: ServiceState, vip: str, deadlines: Deadlines) -> Decision:
        return Decision(Reason.STANDBY)

    patch.setattr(decision, "_hand_back", hand_back)


def registration_before_acceptance(patch: pytest.MonkeyPatch) -> None:
    """G1: the owner registers when it has asked for its route, not when it has it."""
    desired = Registrations.desired

    def at_once(self: Registrations, state: ServiceState, deadlines: Deadlines) -> set[str]:
        self.accepted |= {vip for vip, preference in state.requested.items() if preference}
        return desired(self, state, deadlines)

    patch.setattr(Registrations, "desired", at_once)


def a_lost_store_is_an_empty_one(patch: pytest.MonkeyPatch) -> None:
    """Shape 6: a set of members that is unknown is taken for one without any."""
    changed = View.store_changed

    def forget(self: View, state: StoreState, now: float) -> None:
        changed(self, state, now)
        if state is StoreState.LOST:
            self.members = {}

    patch.setattr(View, "store_changed", forget)


def no_deregistration(patch: pytest.MonkeyPatch) -> None:
    """G2: the registration is left to the session's end."""
    handle = Service.handle

    def forgetful(self: Service, event: Event, now: float) -> list[Action]:
        return [action for action in handle(self, event, now) if not isinstance(action, Deregister)]

    patch.setattr(Service, "handle", forgetful)


def everybody_is_the_one(patch: pytest.MonkeyPatch) -> None:
    """A2: with `one`, every survivor takes an orphan."""
    for policy in decision._TAKEOVER_RANKS:
        patch.setitem(decision._TAKEOVER_RANKS, policy, lambda *_known: 1)


def stale_news(patch: pytest.MonkeyPatch) -> None:
    """L4: what is read after a reconnection is not believed to be new."""
    update = View.update

    def only_the_first(self: View, members: Mapping[str, Member], now: float) -> None:
        if not self.known or self.fresh:
            update(self, members, now)

    patch.setattr(View, "update", only_the_first)


def no_timer(patch: pytest.MonkeyPatch) -> None:
    """A6: what is due later is never done, unless something else happens."""
    handle = Service.handle

    def timeless(self: Service, event: Event, now: float) -> list[Action]:
        return [action for action in handle(self, event, now) if not isinstance(action, SetTimer)]

    patch.setattr(Service, "handle", timeless)


def no_second_word(patch: pytest.MonkeyPatch) -> None:
    """E2, A6: ExaBGP is taken at its word after a session came up."""
    patch.setattr(Speaker, "neighbor_up", lambda _self, _now: None)
    patch.setattr("vipagent.exabgp.speaker.REPEAT_WITHDRAW", 1e9)


def no_reconciliation_after_up(patch: pytest.MonkeyPatch) -> None:
    """A6: as if the engine did not say that a neighbour came up."""
    patch.setattr(Speaker, "neighbor_up", lambda _self, _now: None)


@pytest.mark.parametrize(
    "plant",
    [
        no_settle,
        withdrawal_before_release,
        registration_before_acceptance,
        a_lost_store_is_an_empty_one,
        no_deregistration,
        everybody_is_the_one,
        stale_news,
        no_timer,
        no_second_word,
        no_reconciliation_after_up,
    ],
)
def test_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert any(breaks(seed, FAULTS) for seed in range(SEEDS))


def test_a_failure_is_told_with_the_faults_that_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = 1
    withdrawal_before_release(monkeypatch)
    failure = run(seed, FAULTS)
    assert failure is not None
    assert "H1" in failure.broken
    assert len(failure.plan.faults) < FAULTS / 2
    told = str(failure)
    assert told.startswith(f"seed {seed}: at ")
    for fault in failure.plan.faults:
        assert f"{fault.at:10.3f}  node{fault.node}  {fault.kind}" in told
    assert "=> Withdraw 10.0." in failure.timeline
    assert explain(failure.plan) == failure
