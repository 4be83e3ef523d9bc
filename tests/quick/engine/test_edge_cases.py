"""Edge cases: unusual orders of inputs, exceptions and reloads (E3, E6, H2, H3, N2)."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from tests.quick.core.pools import OWN, SECOND
from tests.quick.engine.harness import OTHERS, PEER, EngineHarness, answer, served, serving
from vipagent.config.settings import ServiceConfig
from vipagent.core import actions, events
from vipagent.core.preference import Preferences
from vipagent.core.registration import Registrations
from vipagent.core.service import Service
from vipagent.engine import effects, inputs
from vipagent.engine.inputs import Input
from vipagent.engine.shutdown import LEAVE_DELAY, WITHDRAW_TIMEOUT
from vipagent.exabgp import route
from vipagent.exabgp.commands import REPLY_TIMEOUT
from vipagent.exabgp.prefixes import MIN_REJECTED_DELAY
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import Entry
from vipagent.store.layout import Directory, Kind, member_name
from vipagent.store.records import Registration
from vipagent.types import CheckResult, Claim, StoreState

WITHDRAWN = f"withdraw route {OWN}/32"
REGISTERED, DEREGISTERED = f"register /service/apex/{OWN}", f"deregister /service/apex/{OWN}"
WEB_VIP = "10.1.0.1"
RECOVERED = 3.0
"""Seconds until a failed decision has been retried."""


def web(**changes: object) -> ServiceConfig:
    """Return a second service with one VIP, owned by this node."""
    return served("web", **{"owned": (WEB_VIP,), "owners": ((WEB_VIP,),), **changes})


def fail_once(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, when: Callable[..., bool]) -> None:
    """Let a method raise an exception on the first call for which `when` is true."""
    method = getattr(kind, name)
    failed: list[int] = []

    def failing(self: object, *args: object) -> object:
        if not failed and when(*args):
            failed.append(1)
            raise RuntimeError("a bug")
        return method(self, *args)

    monkeypatch.setattr(kind, name, failing)


def fail_at(harness: EngineHarness, given: Input, at: type) -> None:
    """Handle an input and stop at the first effect of a kind, as if carrying it out had raised."""
    following = harness.engine.handle(given, harness.now)
    assert any(isinstance(effect, at) for effect in following)
    following.close()  # type: ignore[attr-defined]


def test_e3_pending_announcements_are_not_written_at_shutdown() -> None:
    """E3: a pending announcement must not be written together with the withdrawals.

    Its withdrawal would wait for the reply, or be flushed with it, and ExaBGP may reverse their order: the
    route would outlive the agent.
    """
    harness = serving(served(), web())
    harness.check(CheckResult.BAD, "web")
    harness.advance_answering(RECOVERED)
    harness.give(inputs.PipeCongested(congested=True))
    harness.check(name="web")
    harness.give(inputs.ShutdownRequested())
    lines = [line for line in harness.wait(LEAVE_DELAY + WITHDRAW_TIMEOUT) if "route" in line]
    assert harness.ended
    assert not [line for line in lines if line.startswith("announce")]
    assert WITHDRAWN in lines


@pytest.mark.parametrize("at", [effects.Log, effects.ViewChanged])
def test_e3_exits_despite_an_exception_in_the_last_report(at: type) -> None:
    """E3, E6: exit within 2 s, even if a log entry or the status page fails."""
    harness = serving()
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    harness.now += WITHDRAW_TIMEOUT
    fail_at(harness, inputs.StoreSession(StoreState.UNSURE, "host"), at)
    harness.give(events.TimerFired())
    assert harness.ended


def test_e6_an_exception_while_reannouncing_does_not_affect_other_services(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E6: no error ends the agent; the other services continue."""
    harness = serving(served(), web())
    usual = route.announce

    def broken(
        settings: RouteSettings,
        vip: str,
        preference: actions.Preference,
        groups: tuple[route.Recipients, ...],
    ) -> tuple[str, ...]:
        if vip == OWN:
            raise RuntimeError("a bug")
        return usual(settings, vip, preference, groups)

    monkeypatch.setattr(route, "announce", broken)
    lines = harness.reconfigure(served(), replace(web(), routes=RouteSettings(med=7)))
    assert f"announce route {WEB_VIP}/32 next-hop self med 7" in lines
    assert harness.logs() == ["internal error"]
    assert harness.engine.services["apex"].counters.internal_errors == 1
    harness.advance_answering(1)
    assert harness.check(CheckResult.BAD, "web")[:2] == [
        f"deregister /service/web/{WEB_VIP}",
        f"withdraw route {WEB_VIP}/32",
    ]


def test_n2_pending_output_is_read_before_a_reply_times_out() -> None:
    """N2: after a pause, the agent reads all pending output before any reply times out.

    Inputs of the check or the store may come before the pending reply. Otherwise an owner would deregister a
    VIP that is announced, and every command would be sent again.
    """
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.now += REPLY_TIMEOUT + 1
    lines = harness.check()
    assert DEREGISTERED not in lines
    assert not [message for message in harness.logs() if "the command, will retry" in message]
    assert DEREGISTERED not in harness.reply()


def test_n2_a_missing_reply_times_out_with_the_timer() -> None:
    """N2, G1: all pending output is read before the timer, so a reply is really missing."""
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.now += REPLY_TIMEOUT + 1
    harness.check()
    assert DEREGISTERED in harness.give(events.TimerFired())


def test_h2_an_exception_at_the_end_of_a_drain_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """H2, E6: the withdrawal after `drain_delay` depends on the timer alone."""
    harness = serving()
    harness.maintenance("node1")
    harness.advance_answering(4)
    fail_once(monkeypatch, Service, "handle", lambda event, _now: isinstance(event, events.TimerFired))
    assert WITHDRAWN in harness.advance_answering(1 + RECOVERED)


def test_h3_an_exception_after_a_decision_does_not_lose_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """H3, A6: a node that is DOWN withdraws, even if the first decision was not carried out."""
    harness = serving()
    fail_once(monkeypatch, Registrations, "desired", lambda *_: True)
    harness.check(CheckResult.BAD)
    lines = harness.advance_answering(RECOVERED)
    assert WITHDRAWN in lines
    assert DEREGISTERED in lines


def test_e3_a_failing_service_is_withdrawn_and_deregistered_at_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E3, E6: ExaBGP would keep the routes after the agent has exited."""
    harness = serving()

    def broken(_self: Service, _event: events.Event, _now: float) -> list[actions.Action]:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Service, "handle", broken)
    harness.give(inputs.ShutdownRequested())
    lines = harness.advance_answering(LEAVE_DELAY + WITHDRAW_TIMEOUT)
    assert lines.index(DEREGISTERED) < lines.index(WITHDRAWN)
    assert "stop apex" in lines
    assert harness.ended


def test_e3_a_failing_service_is_withdrawn_when_a_reload_removes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E3: routes of a removed service are withdrawn at once, since no later event would do it."""
    harness = serving(served(), web())
    fail_once(monkeypatch, Service, "handle", lambda event, _now: isinstance(event, events.StopRequested))
    lines = harness.reconfigure(web()) + harness.advance_answering(RECOVERED)
    assert {DEREGISTERED, WITHDRAWN, "stop apex", "unwatch /service/apex"} <= set(lines)


@pytest.mark.parametrize("source", ["apex", "web"])
def test_e3_an_unchanged_route_that_moves_to_another_service_is_not_touched(source: str) -> None:
    """E3: a reload does not touch unchanged routes, even if another service announces them now."""

    def pools(owner: str) -> list[ServiceConfig]:
        own = {
            name: (vip, SECOND) if name == owner else (vip,)
            for name, vip in (("apex", OWN), ("web", WEB_VIP))
        }
        return [served(name, owned=vips, owners=(vips, (f"{vips[0]}00",))) for name, vips in own.items()]

    harness = serving(*pools(source))
    (target,) = {"apex", "web"} - {source}
    lines = harness.reconfigure(*pools(target)) + harness.advance_answering(RECOVERED)
    assert f"withdraw route {SECOND}/32" not in lines
    assert f"register /service/{target}/{SECOND}" in lines


def test_g2_a_stale_registration_is_removed_with_its_service() -> None:
    """G2, G3: a node that stops announcing also removes its stale registrations.

    The entry is replaced, then removed. If a reload removes the service in between, the entry would stay
    until the agent exits, and no node would take over a VIP that is not announced.
    """
    harness = EngineHarness(served(), web())
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.check(CheckResult.BAD)
    stale = {member_name(OWN): Entry(Registration("node1", "earlier").dump(), Claim.EARLIER_RUN)}
    assert REGISTERED in harness.give(inputs.SnapshotRead(Directory(Kind.MEMBERS, "apex"), stale))
    assert DEREGISTERED in harness.reconfigure(web())


@pytest.mark.parametrize("left", [True, False], ids=["left by an earlier run", "new"])
def test_a6_a_route_that_an_earlier_run_has_left_is_sent_again(*, left: bool) -> None:
    """The neighbours may be without it: ExaBGP's table does not show that, and it ignores what it has."""
    harness = EngineHarness()
    announced = f"announce route {OWN}/32 next-hop self med 100"
    if left:
        harness.table[f"{OWN}/32"] = f"{OWN}/32 next-hop {PEER} med 100"
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.members(*OTHERS)
    assert announced in harness.check()
    sent_again = [line for line in harness.advance_answering(10) if line.startswith("announce")]
    assert sent_again == ([route.respelled(announced)] if left else [])


def test_a_change_of_neighbours_does_not_publish_after_shutdown() -> None:
    """E3: the record is removed at shutdown; a newly learnt AS number must not publish it again."""
    harness = serving(replace(served(), routes=RouteSettings(prepend=2, local_as=65001)))
    harness.give(inputs.ShutdownRequested())
    harness.wait(LEAVE_DELAY)
    assert "publish" not in harness.read(*answer(PEER, asn=65001))


def test_e1_a_rejected_withdrawal_is_not_flushed() -> None:
    """E1: it is retried before the VIP is removed from the loopback interface (`Agent.wait_flushed`)."""
    harness = serving(served(), web())
    harness.reconfigure(served())
    assert harness.written == [f"withdraw route {WEB_VIP}/32"]
    harness.written.clear()
    harness.read("error")
    assert not harness.engine.flushed
    harness.advance_answering(MIN_REJECTED_DELAY)
    assert harness.engine.flushed


def test_a6_ranks_are_cached_while_candidates_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, A6: with ranked hot standby, computing a rank iterates over all nodes."""
    vips = tuple(f"10.2.0.{number}" for number in range(1, 101))
    owners = tuple((vip,) for vip in vips)
    harness = EngineHarness(served(owned=vips[:1], owners=owners, takeover="ranked", standby="hot"))
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.members(*vips[1:], ours=())
    harness.check()
    harness.advance_answering(1)
    harness.members(*vips, ours=vips[:1])
    harness.advance_answering(10)
    before, calls = Preferences.candidates_before, []

    def counting(self: Preferences, vip: str, owners: Iterable[int], *, registered: bool = True) -> object:
        calls.append(vip)
        return before(self, vip, owners, registered=registered)

    monkeypatch.setattr(Preferences, "candidates_before", counting)
    harness.store(StoreState.UNSURE)
    harness.give(events.AddressesMissing({vips[1]: "no permission"}))
    assert not calls
    harness.store()
    harness.members(*vips[:-1], ours=vips[:1])
    assert len(calls) <= len(vips)
