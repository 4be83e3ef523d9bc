"""Every problem has advice, and every misconfiguration is a problem (Shape 6)."""

from dataclasses import replace

import pytest

from vipagent.core.actions import VipReport
from vipagent.store.records import NodeState, VipState
from vipagent.telemetry.facts import is_announced, vip_state, worst_first, wrong_local_as
from vipagent.telemetry.problems import ADVICE, OF_NODE, NodeProblem, neighbor_problems, node_problems
from vipagent.types import Neighbor, Reason

ONE, TWO, THREE = "10.0.0.1", "10.0.0.2", "10.0.0.3"
UP = Neighbor("192.0.2.1", "established", 65001, 65000, ("ipv4 unicast",), 9, "eth0")


def problems(check: str = "", local_as: int | None = None, **vips: VipState) -> list[NodeProblem]:
    """Return the problems of a node with this result of its check and these VIPs, by their last byte."""
    seen = {f"10.0.0.{name.removeprefix('vip')}": vip for name, vip in vips.items()}
    state = NodeState("lb1", "up", check, vips=seen, peers=(UP,), local_as=local_as)
    state = replace(state, explanations={Reason.CHECK_DOWN: check} if check else {})
    return list(node_problems("apex", "lb1", state))


def test_a_serving_node_has_no_problem() -> None:
    assert problems(vip1=VipState("owner", 0, owned=True), vip2=VipState("takeover", 1)) == []
    assert problems(vip1=VipState("owner", asked=0)) == [], "ExaBGP has not replied yet"
    assert problems(vip1=VipState("maintenance-node"), vip2=VipState("standby")) == []
    assert problems(vip1=VipState("a word of a newer agent")) == []


@pytest.mark.parametrize("reason", sorted(set(ADVICE) & set(Reason)))
def test_a_fault_is_a_problem_with_advice(reason: str) -> None:
    [found] = problems(vip1=VipState(reason, owned=True))
    what, do = ADVICE[reason]
    service = None if reason in OF_NODE else "apex"
    assert (found.reason, found.do, found.node, found.service) == (reason, do, "lb1", service)
    assert found.what.startswith(what)


def test_a_refused_route_names_its_vip() -> None:
    [found] = problems(vip1=VipState("owner", 0), vip2=VipState("refused", asked=1))
    assert (found.vip, found.what) == (TWO, f"ExaBGP has not accepted the route of a VIP: {TWO}")


def test_many_vips_are_one_problem() -> None:
    many = {f"vip{number}": VipState("refused", asked=0) for number in range(200)}
    [found] = problems("", None, **many)
    assert found.what.endswith(": 10.0.0.0 and 199 more")


def test_the_details_of_the_node_explain_its_check() -> None:
    [found] = problems(
        "HTTP 500 from http://127.0.0.1/", vip1=VipState("check-down"), vip2=VipState("check-down")
    )
    assert (found.vip, found.what) == (None, "the check has failed: HTTP 500 from http://127.0.0.1/")


def test_the_cause_of_a_closed_gate_is_shown_alone() -> None:
    for peer, reasons in (
        (Neighbor("192.0.2.1", "down"), ["neighbor-down"]),
        (Neighbor("192.0.2.1", "no-carrier"), ["no-carrier"]),
        (Neighbor("192.0.2.1", "hung"), ["exabgp-hung"]),
        (UP, ["no-bgp"]),
        (Neighbor("192.0.2.1"), ["no-bgp"]),
    ):
        state = NodeState("lb1", "up", vips={ONE: VipState("no-bgp", 0)}, peers=(peer,))
        assert [found.reason for found in node_problems("apex", "lb1", state)] == reasons
        explained = replace(state, explanations={"no-bgp": "ExaBGP does not have 192.0.2.9"})
        shown = {found.reason for found in node_problems("apex", "lb1", explained)}
        assert shown == {"no-bgp", *reasons}


def test_an_interface_that_is_down_comes_first_also_in_the_record() -> None:
    state = NodeState(
        "lb1", "up", vips={ONE: VipState("store-lost")}, peers=(Neighbor("192.0.2.1", "no-carrier"),)
    )
    found = node_problems("apex", "lb1", replace(state, faults={"config-refused": ""}))
    assert [each.reason for each in found] == ["no-carrier", "config-refused", "store-lost"]


def test_a_missing_family_explains_why_the_table_lacks_the_route() -> None:
    [found] = problems(vip1=VipState("no-family", owned=True, asked=0, accepted=True))
    assert found.reason == "no-family"


def test_a_good_check_explains_nothing() -> None:
    [found] = problems("HTTP 200 in 3 ms", vip1=VipState("no-bgp", 0, owned=True))
    assert found.what == ADVICE["no-bgp"].what


def test_an_accepted_route_that_the_table_lacks_is_a_problem() -> None:
    [found] = problems(vip1=VipState("owner", asked=0, accepted=True))
    assert (found.reason, found.vip) == ("not-in-table", ONE)


def test_an_announced_vip_without_an_address_is_a_problem() -> None:
    [found] = problems(vip1=VipState("no-address", 0, not_local=True))
    assert (found.reason, found.vip) == ("no-address", ONE)
    assert problems(vip1=VipState("maintenance-node", not_local=True)) == []


def test_another_as_number_is_a_problem() -> None:
    [found] = problems(vip1=VipState("owner", 0), local_as=65009)
    assert found.reason == "wrong-local-as"
    assert found.what.endswith(": 65009, not 65001")
    assert wrong_local_as(65009, [UP]) == 65009
    assert wrong_local_as(65001, [UP, Neighbor("192.0.2.2")]) is None
    assert wrong_local_as(65001, [Neighbor("192.0.2.2")]) is None, "unknown"
    assert wrong_local_as(None, [UP]) is None


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("established", None),
        ("unknown", None),
        ("down", "neighbor-down"),
        ("no-carrier", "no-carrier"),
        ("hung", "exabgp-hung"),
        ("a word of a newer agent", "neighbor-down"),
    ],
)
def test_problem_of_a_neighbour_in_a_state(state: str, reason: str | None) -> None:
    found = list(
        neighbor_problems("lb1", [UP, Neighbor("192.0.2.2", state, peer_as=65000, interface="eth1")])
    )
    assert [problem.reason for problem in found] == ([reason] if reason else [])
    if reason and reason != "exabgp-hung":
        assert found[0].neighbor == "192.0.2.2"
        assert found[0].what.endswith(": 192.0.2.2 (AS 65000) via eth1")


def test_a_hung_exabgp_is_one_problem() -> None:
    hung = [Neighbor(f"192.0.2.{number}", "hung") for number in range(9)]
    assert [problem.reason for problem in neighbor_problems("lb1", hung)] == ["exabgp-hung"]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (VipReport(Reason.OWNER, 0, True, accepted=True), VipState("owner", 0, True)),
        (
            VipReport(Reason.OWNER, 0, True, accepted=True, in_table=True, local=True),
            VipState("owner", 0, True),
        ),
        (VipReport(Reason.REFUSED, 0, True), VipState("refused", None, True, asked=0)),
        (
            VipReport(Reason.OWNER, 0, True, accepted=True, in_table=False),
            VipState("owner", None, True, asked=0, accepted=True),
        ),
        (
            VipReport(Reason.OWNER, 0, True, accepted=False, in_table=True),
            VipState("owner", None, True, asked=0),
        ),
        (
            VipReport(Reason.TAKEOVER, 1, False, accepted=True, local=False),
            VipState("takeover", 1, not_local=True),
        ),
        (
            VipReport(Reason.NO_ADDRESS, None, False, local=False),
            VipState("no-address", not_local=True),
        ),
        (VipReport(Reason.CHECK_DOWN, None, True, in_table=False), VipState("check-down", None, True)),
    ],
)
def test_record_of_a_vip(report: VipReport, expected: VipState) -> None:
    assert vip_state(report) == expected
    assert is_announced(report) == (expected.rank is not None)


def test_faults_of_the_process_are_problems_of_the_node() -> None:
    faults = {"no-state-directory": "/srv: Permission denied", "a word of a newer agent": "", "conflict": ""}
    state = NodeState.load(NodeState("lb1", "up", faults=faults).dump())
    [found] = node_problems("apex", "lb1", state)
    assert (found.reason, found.node, found.service) == ("no-state-directory", "lb1", None)
    assert found.what.endswith("stays in ExaBGP: /srv: Permission denied")


def test_neighbours_that_are_not_established_come_first() -> None:
    down = Neighbor("192.0.2.2", "down")
    assert worst_first([UP, down, UP]) == (down, UP, UP)
