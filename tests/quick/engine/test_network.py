"""What the agent learns of its neighbours closes the gate, and withdraws nothing (N1-N3, N5, N10)."""

from dataclasses import replace

import pytest

from tests.quick.core.pools import OWN, THIRD
from tests.quick.engine.harness import OTHER_PEER, PEER, EngineHarness, details, established, served, serving
from vipagent.core.events import AddressesMissing, AddressesNotLocal
from vipagent.engine import effects, inputs
from vipagent.exabgp.neighbors import HANG_TIMEOUT
from vipagent.exabgp.route import RouteSettings
from vipagent.store.records import VipState
from vipagent.telemetry.problems import node_problems

REGISTER, DEREGISTER = f"register /service/apex/{OWN}", f"deregister /service/apex/{OWN}"
DOWN = inputs.LinksDown({PEER: "eth0"})
UP = inputs.LinksDown({})


def routes(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(("announce", "withdraw"))]


def message(harness: EngineHarness, total: int, peer: str = PEER) -> list[str]:
    """Let ExaBGP answer the next question about its neighbours with this number of received messages."""
    harness.details = {peer: details(peer, total=total)}
    return harness.advance_answering(2.5)


def session_state(harness: EngineHarness) -> str:
    """Return the state of the only neighbour as published."""
    harness.wait(0.2)
    assert harness.record is not None
    [peer] = harness.record.peers
    return peer.state


def test_n3_a_lost_carrier_closes_the_gate_at_once_and_keeps_the_route() -> None:
    harness = serving()
    lines = harness.give(DOWN)
    assert lines[0] == DEREGISTER
    assert routes(lines) == []
    assert harness.record is not None
    assert harness.record.neighbors == 0
    logs = [effect for effect in harness.effects if isinstance(effect, effects.Log)]
    [log] = [log for log in logs if log.message == "bgp"]
    assert log.fields == {"neighbor": PEER, "established": False, "interface": "eth0", "cause": "no carrier"}


def test_n3_a_returned_carrier_is_not_enough_to_open_the_gate() -> None:
    harness = serving()
    harness.give(DOWN)
    assert REGISTER not in message(harness, 5)
    assert REGISTER not in harness.give(UP)
    assert REGISTER not in message(harness, 6), "it may have arrived before the cable was out"
    lines = message(harness, 7)
    assert REGISTER in lines
    assert f"withdraw route {OWN}/32" not in lines


def test_n3_exabgps_own_report_opens_the_gate() -> None:
    harness = serving()
    harness.give(DOWN)
    harness.give(UP)
    harness.read(established(up=False))
    assert REGISTER in harness.read(established())


def test_n3_no_carrier_remains_the_cause_after_the_hold_time() -> None:
    harness = serving()
    harness.give(DOWN)
    assert session_state(harness) == "no-carrier"
    harness.read(established(up=False))
    assert session_state(harness) == "no-carrier"
    harness.give(UP)
    assert session_state(harness) == "down"
    harness.give(DOWN)
    assert session_state(harness) == "no-carrier"
    harness.read(established())
    assert session_state(harness) == "established", "by another way"


def test_the_interface_of_a_neighbour_is_published_while_all_is_well() -> None:
    harness = serving()
    harness.give(inputs.LinksDown({}, {PEER: "eth0"}))
    harness.wait(0.2)
    assert harness.record is not None
    assert [(peer.state, peer.interface) for peer in harness.record.peers] == [("established", "eth0")]


def test_n3_one_of_two_links_is_enough() -> None:
    harness = serving()
    harness.peers = (PEER, OTHER_PEER)
    harness.read(established(OTHER_PEER))
    harness.advance_answering(3)
    assert DEREGISTER not in harness.give(DOWN)
    assert DEREGISTER in harness.give(inputs.LinksDown({PEER: "eth0", OTHER_PEER: "eth1"}))


def test_n3_the_links_of_all_known_neighbours_are_followed() -> None:
    harness = EngineHarness()
    harness.start()
    assert f"follow {PEER}" in harness.advance_answering(1)
    assert f"follow {PEER} {OTHER_PEER}" in harness.read(established(OTHER_PEER))


def test_e5_a_service_counts_only_the_neighbours_that_receive_its_routes() -> None:
    harness = serving(replace(served(), routes=RouteSettings(neighbor=(OTHER_PEER,))))
    assert harness.record is not None
    assert (harness.record.neighbors, harness.record.vips[OWN].reason) == (0, "no-bgp")
    assert REGISTER in harness.read(established(OTHER_PEER))


def test_n10_a_service_learns_the_families_that_its_neighbours_have_negotiated() -> None:
    harness = EngineHarness()
    harness.start()
    gate = harness.engine._exabgp.gate
    harness.read(established())
    assert gate.event(()).families is None, "not described yet"
    harness.details = {PEER: details(PEER, "ipv4 unicast", "ipv6 unicast")}
    harness.advance_answering(3)
    assert gate.event(()).families == frozenset({4, 6})
    harness.details = {PEER: details(PEER, "ipv4 unicast", "ipv4 mpls-vpn")}
    harness.read(established(up=False))
    assert gate.event(()).families is None, "no neighbour is up"
    harness.read(established())
    harness.advance_answering(3)
    assert gate.event(()).families == frozenset({4}), "a new session may have negotiated other families"
    assert gate.event((OTHER_PEER,)).established == 0


@pytest.mark.parametrize(("hold", "timeout"), [(3, 0.75), (9, 2.25), (240, HANG_TIMEOUT), (0, HANG_TIMEOUT)])
def test_n2_exabgp_counts_as_hung_after_a_quarter_of_the_hold_time(hold: int, timeout: float) -> None:
    harness = EngineHarness()
    harness.details = {PEER: details(PEER, hold=hold)}
    harness.serve()
    harness.advance_answering(2)
    harness.written.clear()
    waited = 0.0
    while not harness.engine._exabgp.gate.hung:
        harness.wait(0.05)
        waited += 0.05
        assert waited < 10
    polls = min(2.0, hold / 9) if hold else 2.0
    assert timeout - polls <= waited <= timeout + polls + 0.1


def test_a_service_that_does_not_check_its_addresses_reports_none_as_missing() -> None:
    harness = serving()
    harness.give(AddressesNotLocal(frozenset({OWN})))
    harness.wait(1)
    assert harness.record is not None
    assert harness.record.vips[OWN].reason == "no-address"
    for address_check, reason in ((False, "owner"), (True, "no-address")):
        harness.reconfigure(replace(served(), address_check=address_check))
        harness.wait(1)
        assert harness.record.vips[OWN].reason == reason


def test_a_vip_of_another_node_that_is_not_local_is_a_problem_before_a_takeover() -> None:
    harness = serving()
    harness.give(AddressesNotLocal(frozenset()))
    harness.wait(1)
    assert harness.record is not None
    assert set(harness.record.vips) == {OWN}
    harness.give(AddressesNotLocal(frozenset({THIRD})))
    [log] = [effect for effect in harness.effects if isinstance(effect, effects.Log)]
    assert log.fields["vips"] == [THIRD]
    harness.wait(1)
    assert harness.record.vips[THIRD] == VipState("no-address", not_local=True)
    assert set(harness.record.vips) == {OWN, THIRD}, "one entry by exception"
    [found] = node_problems("apex", "node1", harness.record)
    assert (found.reason, found.vip) == ("no-address", THIRD)


def test_an_address_that_cannot_be_added_is_logged_where_that_is_tried() -> None:
    harness = serving()
    harness.give(AddressesMissing({THIRD: "no permission"}))
    levels = {effect.level for effect in harness.effects if isinstance(effect, effects.Log)}
    assert effects.Level.WARNING not in levels
    harness.wait(1)
    assert harness.record is not None
    assert harness.record.vips[THIRD].reason == "no-address"


def test_n3_a_session_without_hold_time_proves_itself_by_its_state() -> None:
    harness = EngineHarness()
    harness.details = {PEER: details(PEER, hold=0)}
    harness.serve()
    assert DEREGISTER in harness.give(DOWN)
    harness.give(UP)
    assert REGISTER in harness.advance_answering(10), "no keepalive will ever come"


def test_n3_the_end_of_a_hang_does_not_prove_a_session_without_carrier() -> None:
    harness = serving()
    harness.wait(HANG_TIMEOUT + 3)
    harness.give(DOWN)
    harness.reply()
    lines = harness.advance_answering(30)
    assert "log ExaBGP answers again" in lines
    assert REGISTER not in lines
