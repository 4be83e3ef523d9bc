"""Unlucky orders, bugs in the middle, and reloads: what is promised all the same (E3, E6, H2, H3, N2)."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from tests.quick.core.pools import OWN, SECOND
from tests.quick.engine.harness import PEER, EngineHarness, answer, served, serving
from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.core.preference import Preferences
from vipagent.core.registration import Registrations
from vipagent.core.service import Service
from vipagent.engine import effects, inputs
from vipagent.engine.inputs import Input
from vipagent.engine.shutdown import LEAVE_DELAY, WITHDRAW_TIMEOUT
from vipagent.exabgp import route
from vipagent.exabgp.route import RouteSettings
from vipagent.exabgp.speaker import REPLY_TIMEOUT, RETRY_MIN
from vipagent.store.backend import Entry
from vipagent.store.layout import Directory, Kind, member_name
from vipagent.store.records import Registration
from vipagent.types import CheckResult, Claim, StoreState

WITHDRAWN = f"withdraw route {OWN}/32"
REGISTERED, DEREGISTERED = f"register /service/apex/{OWN}", f"deregister /service/apex/{OWN}"
WEB_VIP = "10.1.0.1"
A_WHILE = 3.0
"""Seconds after which the engine has got over what a bug did to it."""


def web(**changes: object) -> ServiceConfig:
    """Return a second service, whose only VIP is this node's own."""
    return served("web", **{"owned": (WEB_VIP,), "owners": ((WEB_VIP,),), **changes})


def break_once(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, when: Callable[..., bool]) -> None:
    """Let a method raise the first time that it is called so."""
    method = getattr(kind, name)
    broken: list[int] = []

    def breaking(self: object, *args: object) -> object:
        if not broken and when(*args):
            broken.append(1)
            raise RuntimeError("a bug")
        return method(self, *args)

    monkeypatch.setattr(kind, name, breaking)


def abandon(harness: EngineHarness, given: Input, at: type) -> None:
    """Give an input and let the shell fail at the first effect of a kind, as it would by a bug of its own."""
    following = harness.engine.handle(given, harness.now)
    assert any(isinstance(effect, at) for effect in following)
    following.close()  # type: ignore[attr-defined]


def test_e3_what_waits_to_be_announced_is_not_written_in_the_end() -> None:
    """E3: withdraw, exit. What waited for room in the pipe must not be announced with the withdrawals.

    Its own withdrawal would have to wait for the reply, or meet it in one flush, where ExaBGP may carry them
    out the other way round: the route would outlive the agent.
    """
    harness = serving(served(), web())
    harness.check(CheckResult.BAD, "web")
    harness.live(A_WHILE)
    harness.give(inputs.PipeCongested(congested=True))
    harness.check(name="web")
    harness.give(inputs.ShutdownRequested())
    said = [line for line in harness.wait(LEAVE_DELAY + WITHDRAW_TIMEOUT) if "route" in line]
    assert harness.ended
    assert not [line for line in said if line.startswith("announce")]
    assert WITHDRAWN in said


@pytest.mark.parametrize("at", [effects.Log, effects.ViewChanged])
def test_e3_it_ends_though_a_bug_hits_what_is_reported_last(at: type) -> None:
    """E3 and E6: exit within 2 s; a log line or a page that fails must not keep the process for ever."""
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    harness.now += WITHDRAW_TIMEOUT
    abandon(harness, inputs.StoreSession(StoreState.UNSURE, "host"), at)
    harness.give(events.TimerFired())
    assert harness.ended


def test_e6_a_bug_in_what_a_reload_says_again_takes_nobody_else_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E6: no error ends the agent, or what it does: the other services go on."""
    harness = serving(served(), web())
    usual = route.announce

    def broken(settings: RouteSettings, vip: str, preference: actions.Preference) -> str:
        if vip == OWN:
            raise RuntimeError("a bug")
        return usual(settings, vip, preference)

    monkeypatch.setattr(route, "announce", broken)
    lines = harness.reconfigure(served(), replace(web(), routes=RouteSettings(med=7)))
    assert f"announce route {WEB_VIP}/32 next-hop self med 7" in lines
    assert harness.logs() == ["internal error"]
    assert harness.engine.services["apex"].counters.internal_errors == 1
    harness.live(1)
    assert harness.check(CheckResult.BAD, "web")[:2] == [
        f"deregister /service/web/{WEB_VIP}",
        f"withdraw route {WEB_VIP}/32",
    ]


def test_n2_what_waits_in_the_pipe_is_read_before_a_reply_counts_as_missing() -> None:
    """N2: after it was paused, the agent reads its pipe before it judges, whatever woke it up first.

    The reply is there already; a result of the check, or the store, may be there before it. Else an owner
    deregisters a VIP that ExaBGP serves, and everything is said again, one by one.
    """
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.now += REPLY_TIMEOUT + 1
    said = harness.check()
    assert DEREGISTERED not in said
    assert "ExaBGP rejected the command, will retry" not in harness.logs()
    assert DEREGISTERED not in harness.reply()


def test_n2_a_reply_that_is_missing_is_noticed_all_the_same() -> None:
    """N2, G1: the timer comes after what waits in the pipe was read, so it may judge."""
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.now += REPLY_TIMEOUT + 1
    harness.check()
    assert DEREGISTERED in harness.give(events.TimerFired())


def test_h2_a_bug_as_the_drain_ends_does_not_keep_the_route_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """H2 and E6: it withdraws after `drain_delay`; nothing but the timer would make it decide again."""
    harness = serving()
    harness.maintenance("node1")
    harness.live(4)
    break_once(monkeypatch, Service, "handle", lambda event, _now: isinstance(event, events.TimerFired))
    assert WITHDRAWN in harness.live(1 + A_WHILE)


def test_h3_a_bug_after_a_decision_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """H3 and A6: a node that is DOWN withdraws; what was decided, but never said, is still to be said."""
    harness = serving()
    break_once(monkeypatch, Registrations, "desired", lambda *_: True)
    harness.check(CheckResult.BAD)
    said = harness.live(A_WHILE)
    assert WITHDRAWN in said
    assert DEREGISTERED in said


def test_e3_a_service_with_a_bug_is_withdrawn_and_deregistered_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E3 and E6: ExaBGP keeps a dead process's routes, so they would stay, with nobody to look after them."""
    harness = serving()

    def broken(_self: Service, _event: events.Event, _now: float) -> list[actions.Action]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Service, "handle", broken)
    harness.give(inputs.ShutdownRequested())
    said = harness.live(LEAVE_DELAY + WITHDRAW_TIMEOUT)
    assert said.index(DEREGISTERED) < said.index(WITHDRAWN)
    assert "stop apex" in said
    assert harness.ended


def test_e3_a_service_with_a_bug_is_withdrawn_when_a_reload_removes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E3: what is no longer in the configuration is withdrawn; nobody would ever do it later."""
    harness = serving(served(), web())
    break_once(monkeypatch, Service, "handle", lambda event, _now: isinstance(event, events.StopRequested))
    said = harness.reconfigure(web()) + harness.live(A_WHILE)
    assert {DEREGISTERED, WITHDRAWN, "stop apex", "unwatch /service/apex"} <= set(said)


@pytest.mark.parametrize("giver", ["apex", "web"])
def test_e3_a_vip_that_passes_to_another_service_and_looks_the_same_is_not_touched(giver: str) -> None:
    """E3: a reload touches no route that stays the same, though another service announces it now."""

    def pools(owner: str) -> list[ServiceConfig]:
        own = {
            name: (vip, SECOND) if name == owner else (vip,)
            for name, vip in (("apex", OWN), ("web", WEB_VIP))
        }
        return [served(name, owned=vips, owners=(vips, (f"{vips[0]}00",))) for name, vips in own.items()]

    harness = serving(*pools(giver))
    (taker,) = {"apex", "web"} - {giver}
    said = harness.reconfigure(*pools(taker)) + harness.live(A_WHILE)
    assert f"withdraw route {SECOND}/32" not in said
    assert f"register /service/{taker}/{SECOND}" in said


def test_g2_a_stale_registration_that_is_being_replaced_goes_with_its_service() -> None:
    """G2 and G3: a node deregisters when it stops announcing, what an earlier run left included.

    It is registered anew, only to be removed at once. If a reload takes the service away in between, it
    would stay for as long as the agent lives, and nobody would take over a VIP that nobody announces.
    """
    harness = EngineHarness(served(), web())
    harness.start()
    harness.live(1)
    harness.store()
    harness.maintenance()
    harness.check(CheckResult.BAD)
    leftover = {member_name(OWN): Entry(Registration("node1", "earlier").dump(), Claim.SAME_NODE)}
    assert REGISTERED in harness.give(inputs.SnapshotRead(Directory(Kind.MEMBERS, "apex"), leftover))
    assert DEREGISTERED in harness.reconfigure(web())


def test_nothing_is_published_once_the_record_is_gone_whatever_is_learnt_of_the_neighbours() -> None:
    """E3: in the end the record is deregistered; a neighbour's AS number must not bring it back."""
    harness = serving(replace(served(), routes=RouteSettings(prepend=2, local_as=65001)))
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert "publish" not in harness.read(*answer(PEER, asn=65001))


def test_e1_exabgp_has_not_taken_a_withdrawal_that_it_has_refused() -> None:
    """E1: it is tried again; only then its VIP may leave the loopback interface (`Agent.wait_flushed`)."""
    harness = serving(served(), web())
    harness.reconfigure(served())
    assert harness.written == [f"withdraw route {WEB_VIP}/32"]
    harness.written.clear()
    harness.read("error")
    assert not harness.engine.flushed
    harness.live(RETRY_MIN)
    assert harness.engine.flushed


def test_a6_what_changes_no_candidate_looks_at_each_vip_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, A6: with ranked hot standby the rank of each VIP went over all nodes again at every event."""
    vips = tuple(f"10.2.0.{number}" for number in range(1, 101))
    owners = tuple((vip,) for vip in vips)
    harness = EngineHarness(served(owned=vips[:1], owners=owners, takeover="ranked", standby="hot"))
    harness.start()
    harness.live(1)
    harness.store()
    harness.maintenance()
    harness.members(*vips[1:], ours=())
    harness.check()
    harness.live(1)
    harness.members(*vips, ours=vips[:1])
    harness.live(10)
    before, looks = Preferences.candidates_before, []

    def counting(self: Preferences, vip: str, owners: Iterable[int], *, registered: bool = True) -> object:
        looks.append(vip)
        return before(self, vip, owners, registered=registered)

    monkeypatch.setattr(Preferences, "candidates_before", counting)
    harness.store(StoreState.UNSURE)
    harness.give(events.AddressesMissing({vips[1]: "no permission"}))
    assert not looks
    harness.store()
    harness.members(*vips[:-1], ours=vips[:1])
    assert len(looks) <= len(vips)
