"""Interaction of services, ExaBGP, neighbours and the store, by rule (A6, E1-E6, G1, S1)."""

from dataclasses import replace

import pytest

from tests.quick.core.pools import OWN, SECOND
from tests.quick.engine.harness import (
    OTHERS,
    PEER,
    SETTLED,
    EngineHarness,
    answer,
    established,
    served,
    serving,
)
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.engine import effects, inputs
from vipagent.engine.leftovers import CONFIRM_DELAY
from vipagent.exabgp.commands import RESEND_DELAY_AFTER_UP
from vipagent.exabgp.polling import FIRST_ANSWER_TIMEOUT, POLL_INTERVAL
from vipagent.exabgp.prefixes import MIN_REJECTED_DELAY
from vipagent.exabgp.query_schedule import TABLE_INTERVAL
from vipagent.exabgp.route import RouteSettings, respelled
from vipagent.types import CheckResult, StoreState

ANNOUNCED = f"announce route {OWN}/32 next-hop self med 100"
WITHDRAWN = f"withdraw route {OWN}/32"
REGISTERED, DEREGISTERED = f"register /service/apex/{OWN}", f"deregister /service/apex/{OWN}"
IGNORED = "log ignoring unknown entries in the store"


def test_a6_all_routes_are_sent_again_after_a_neighbour_comes_up() -> None:
    """ExaBGP's first flush skips withdrawals, so stale routes would stay at the neighbour."""
    harness = serving()
    harness.peers = ()
    harness.read(established(up=False))
    harness.advance_answering(3)
    harness.peers = (PEER,)
    harness.read(established())
    lines = harness.advance_answering(RESEND_DELAY_AFTER_UP)
    assert {WITHDRAWN.replace(OWN, vip) for vip in OTHERS} | {respelled(ANNOUNCED)} <= set(lines)


def test_a6_a_neighbour_listed_in_an_answer_has_come_up() -> None:
    harness = serving()
    harness.peers = ()
    harness.advance_answering(3)
    harness.peers = (PEER,)
    lines = harness.advance_answering(2 + RESEND_DELAY_AFTER_UP)
    assert respelled(ANNOUNCED) in lines


def test_e5_the_gate_deregisters_and_registers_again() -> None:
    harness = serving()
    assert harness.read(established(up=False))[0] == DEREGISTERED
    assert harness.record is not None
    assert harness.record.neighbors == 0
    assert harness.record.detail == "0 BGP neighbours established, 1 required"
    assert harness.engine.view.neighbors == 0
    assert harness.read(established())[:2] == ["show", REGISTERED], "ask what the session has negotiated"


def test_e5_a_hung_exabgp_closes_the_gate_until_it_answers_a_later_query() -> None:
    harness = serving()
    harness.advance_answering(1)
    lines = harness.wait(10)
    assert DEREGISTERED in lines
    assert "log ExaBGP does not answer, closing the BGP gate" in lines
    assert harness.record is not None
    assert harness.record.detail.startswith("ExaBGP does not answer")
    assert REGISTERED not in harness.read(*answer(PEER))
    harness.written.clear()
    assert "log ExaBGP answers again" in (back := harness.advance_answering(5))
    assert REGISTERED in back


def test_e5_a_hung_exabgp_is_queried_again_and_after_any_output() -> None:
    """The query may be lost, and the next regular one is a minute away."""
    harness = serving()
    while "ExaBGP does not answer, closing the BGP gate" not in harness.logs():
        harness.wait(0.1)
    assert harness.wait(POLL_INTERVAL) == ["show"]
    assert "show" not in harness.wait(3 * POLL_INTERVAL)
    harness.read("unknown output")
    assert harness.wait(POLL_INTERVAL) == ["show"]


def test_e5_a_gate_with_unknown_neighbours_warns() -> None:
    harness = EngineHarness()
    harness.start()
    assert not [line for line in harness.wait(FIRST_ANSWER_TIMEOUT - 0.1) if "BGP unknown" in line]
    assert [line for line in harness.wait(0.1) if "BGP unknown" in line]
    assert not [line for line in harness.wait(100) if "BGP unknown" in line], "logged once"


def test_e5_gate_changes_are_logged() -> None:
    harness = serving()
    gate = [line for up in (False, True) for line in harness.read(established(up=up)) if "BGP gate" in line]
    assert gate == [
        "log BGP gate closed, not registering: vipagent status shows the cause",
        "log BGP gate open",
    ]


def test_e5_a_gate_whose_queries_all_fail_warns_once() -> None:
    harness = EngineHarness()
    lines, warnings = harness.start(), 0
    for _ in range(100):
        answered = harness.read(answer()[0], "error") if "show" in lines else []
        lines = answered + harness.wait(0.1)
        warnings += sum("BGP unknown" in line for line in lines)
    assert warnings == 1


def test_g1_a_rejected_route_is_not_registered_and_retried() -> None:
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    refused = harness.read("error")
    assert refused[0] == DEREGISTERED
    assert "log ExaBGP rejected the command, will retry" in refused
    assert harness.engine.counters.command_errors == 1
    harness.written.clear()
    assert harness.wait(MIN_REJECTED_DELAY) == [f"announce route {OWN}/32 next-hop self med 7", "show"]
    assert harness.reply() == [REGISTERED, "log register", "publish"]


def test_g1_acceptance_of_an_outdated_route_is_ignored() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.reply()
    harness.check()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    assert harness.reply() == [f"announce route {OWN}/32 next-hop self med 7", "show"]
    assert harness.reply() == [REGISTERED, "log register"]


def test_e4_nothing_is_written_while_the_pipe_is_congested() -> None:
    harness = serving()
    harness.give(inputs.PipeCongested(congested=True))
    assert WITHDRAWN not in harness.check(CheckResult.BAD)
    assert harness.give(inputs.PipeCongested(congested=False)) == [WITHDRAWN]


def test_a5_nothing_is_written_before_the_pipes_are_open() -> None:
    harness = EngineHarness()
    assert harness.give(events.AddressesMissing({OWN: "no permission"})) == []
    assert harness.start()[0] == "show"
    assert harness.engine.view.services[0].report is not None


def test_e6_an_exception_in_one_service_does_not_affect_others(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = serving(served(), served("web", owned=(SECOND,), owners=((SECOND,),)))
    handle = Service.handle

    def broken(self: Service, event: events.Event, now: float) -> list[actions.Action]:
        if self.settings.name == "apex":
            raise RuntimeError("a bug")
        return handle(self, event, now)

    monkeypatch.setattr(Service, "handle", broken)
    assert harness.check(CheckResult.BAD) == ["log internal error"]
    [line] = [effect for effect in harness.effects if isinstance(effect, effects.Log)]
    assert (line.fields, str(line.raised)) == ({"service": "apex", "cause": "check"}, "a bug")
    assert harness.engine.services["apex"].counters.internal_errors == 1
    assert f"withdraw route {SECOND}/32" in harness.check(CheckResult.BAD, "web")


def test_e6_an_exception_in_a_report_does_not_affect_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = serving()
    monkeypatch.setattr("vipagent.engine.reporter.RULE_BY_REASON", {})
    assert harness.check(CheckResult.BAD)[:2] == [DEREGISTERED, WITHDRAWN]
    assert harness.logs()[-1] == "internal error"


def test_s1_unknown_entries_are_logged_once_while_present() -> None:
    harness = serving()
    unknown = (OWN, *OTHERS, "203.0.113.9")
    assert [IGNORED in harness.members(*vips) for vips in (unknown, unknown, unknown[:-1], unknown)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_vip_without_an_address_is_not_announced() -> None:
    harness = serving()
    missing = events.AddressesMissing({OWN: "no permission"})
    assert harness.give(missing)[:2] == [DEREGISTERED, WITHDRAWN]
    assert harness.give(missing) == [], "nothing has changed"
    harness.reply()
    assert harness.give(events.AddressesMissing({}))[0] == ANNOUNCED


def test_e3_a_reload_does_not_touch_unchanged_routes() -> None:
    harness = serving()
    assert harness.reconfigure(served()) == ["view"]
    changed = harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    assert [line for line in changed if "route" in line] == [f"announce route {OWN}/32 next-hop self med 7"]
    harness.reply()
    gone = harness.reconfigure(served("web", owned=("10.0.0.9",), owners=(("10.0.0.9",),)))
    assert [line for line in gone if "route" in line] == [WITHDRAWN]
    assert "stop apex" in gone
    assert "start web" in gone


def test_e3_a_service_restarts_if_its_routes_cannot_be_replaced_in_place() -> None:
    harness = serving()
    lines = harness.reconfigure(replace(served(), routes=RouteSettings(path_id=7)))
    assert lines[:2] == [DEREGISTERED, WITHDRAWN]
    assert lines.index("stop apex") < lines.index("start apex")
    assert lines.index("unwatch /service/apex") < lines.index("watch /service/apex")
    assert not [line for line in harness.check() if "route" in line], "it has not read the store yet"
    assert harness.engine.view.services[0].name == "apex"


def test_e3_services_may_swap_their_vips() -> None:
    harness = serving(served(), served("web", owned=("10.0.0.9",), owners=(("10.0.0.9",),)))
    low, high = RouteSettings(med=8), RouteSettings(med=9)
    swapped = served(owned=("10.0.0.9",), owners=(("10.0.0.9",),)), served("web")
    harness.reconfigure(replace(swapped[0], routes=low), replace(swapped[1], routes=high))
    harness.advance_answering(60)
    assert harness.engine.view.services[0].report is not None
    prefixes = harness.engine._exabgp.commands._prefixes.by_vip.values()
    lines = {line for prefix in prefixes if not prefix.withdrawn for line in prefix.lines}
    assert {
        "announce route 10.0.0.9/32 next-hop self med 8",
        f"announce route {OWN}/32 next-hop self med 9",
    } <= lines


def test_a_service_added_by_a_reload_gets_the_current_state() -> None:
    harness = serving()
    harness.read(established(up=False))
    harness.give(events.AddressesMissing({SECOND: "no permission"}))
    harness.reconfigure(served(), served("web", owned=(SECOND,), owners=((SECOND,),)))
    harness.members(name="web")
    harness.maintenance(name="web")
    harness.check(name="web")
    report = harness.engine.view.services[1].report
    assert report is not None
    assert (report.neighbors, report.vips[SECOND].reason) == (0, "no-address")


def test_a_removed_service_leaves_nothing_in_the_view() -> None:
    harness = serving()
    assert [vip.registered for vip in harness.engine.view.services[0].status.vips] == [True] * 3
    harness.reconfigure(served("web", owned=("10.0.0.9",), owners=(("10.0.0.9",),)))
    harness.reconfigure(served())
    assert [vip.registered for vip in harness.engine.view.services[0].status.vips] == [False] * 3


def test_all_directories_are_watched_only_with_a_status_server() -> None:
    harness = serving()
    listen = "127.0.0.1:80"
    assert "watch /state/apex" in harness.reconfigure(served(), listen=listen)
    assert "unwatch /state/apex" in harness.reconfigure(served())


def test_inputs_of_unknown_services_are_ignored() -> None:
    harness = serving()
    assert harness.check(name="web") == []
    assert harness.members(OWN, name="web") == []


def test_the_view_shows_the_store_s_session() -> None:
    harness = serving()
    harness.store(StoreState.UNSURE)
    view = harness.engine.view
    assert (view.store, view.store_detail, view.node, view.counters.connections) == (
        "unsure",
        "host",
        "node1",
        1,
    )


def test_a_record_contains_owned_and_unregistered_vips_only() -> None:
    """A standby for a registered VIP is left out."""
    harness = serving()
    assert harness.record is not None
    assert set(harness.record.vips) == {OWN}
    harness.members(*(vip for vip in (OWN, *OTHERS) if vip != SECOND))
    harness.advance_answering(10)
    assert harness.record.vips.keys() == {OWN, SECOND}
    assert harness.record.vips[SECOND].rank == 1


def test_c2_hooks_run_when_the_check_changes_to_up_or_down() -> None:
    harness = EngineHarness(served(rise=1, fall=1))
    harness.start()
    results = (CheckResult.GOOD, CheckResult.GOOD, CheckResult.BAD, CheckResult.DISABLED, CheckResult.GOOD)
    hooks = [line for result in results for line in harness.check(result) if line.startswith("hook")]
    assert hooks == ["hook apex up", "hook apex down", "hook apex disabled", "hook apex up"]


def test_e3_a_reload_with_the_same_store_is_accepted() -> None:
    harness = serving()
    harness.engine.check(replace(harness.config, listen="127.0.0.1:9100"))
    with pytest.raises(ValueError, match="change only with a restart"):
        harness.engine.check(replace(harness.config, backend="etcd"))


def test_g1_the_late_answers_of_a_stopped_exabgp_accept_no_route() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.advance_answering(0.05)
    harness.check()
    harness.wait(17)  # ExaBGP is stopped: the query after the missing reply is repeated
    while harness.written:  # it resumes, and answers in the order of the commands, slowly
        line = harness.written.pop(0)
        replies = ["error"] if line.startswith("announce") else harness.reply_to(line)
        for reply in replies:
            assert f"register /service/apex/{OWN}" not in harness.read(reply)
        harness.wait(0.01)


def test_e2_a_stopped_exabgp_does_not_delay_the_next_reading_of_its_table() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.advance_answering(1.0)
    while "table" not in harness.written:
        harness.reply()
        harness.wait(0.1)
    harness.wait(2.5)  # before it answers at once
    harness.reply()
    harness.check()
    seen = len(harness.written)
    for _ in range(50):
        harness.wait(0.1)
        if "table" in harness.written[seen:]:
            return
        harness.reply()
        seen = 0
    raise AssertionError("the table was not read again")


def test_e2_a_removed_route_that_a_table_does_not_show_is_withdrawn_after_the_next_one() -> None:
    removed = "10.0.0.9"
    harness = serving(served(), served("web", owned=(removed,), owners=((removed,),)))
    harness.reconfigure(served())
    harness.advance_answering(TABLE_INTERVAL - SETTLED)  # one table without it, which is read again later
    assert f"{removed}/32" not in harness.table
    harness.table[f"{removed}/32"] = f"{removed}/32 next-hop {PEER} med 100"
    command = f"neighbor {PEER} withdraw route {removed}/32"
    assert command in harness.advance_answering(CONFIRM_DELAY)
