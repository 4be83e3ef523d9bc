"""Facts in the node's record and view: accepted routes and neighbours (Shape 6)."""

from dataclasses import replace
from itertools import chain

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import (
    OTHER_PEER,
    OTHERS,
    PEER,
    QUERIES,
    EngineHarness,
    answer,
    details,
    established,
    served,
    serving,
)
from vipagent.config.settings import ServiceConfig
from vipagent.core.settings import FlapHold
from vipagent.engine import inputs
from vipagent.engine.publications import PUBLISH_INTERVAL
from vipagent.exabgp.route import RouteSettings
from vipagent.store.fields import MAX_TEXT
from vipagent.store.records import MAX_RECORDED_PEERS, NodeState, VipState
from vipagent.telemetry.problems import NodeProblem, node_problems
from vipagent.types import CheckResult, Neighbor, Reason, StoreState
from vipagent.web.problems import own_problems

UP = Neighbor(PEER, "established", 65001, 65000, ("ipv4 unicast",), 240)
DOWN = Neighbor(OTHER_PEER, "down", 65001)


def describe(harness: EngineHarness, peer: str, *down: str) -> None:
    """Let ExaBGP describe this neighbour, which is established, and others, which are not."""
    idle = [f"Neighbor {other}\nstate IDLE\nAS 65001 n/a\nhold-time 240 n/a" for other in down]
    harness.details = {peer: [*details(peer), *"\n".join(idle).splitlines()]}
    harness.read(established(peer, up=False), established(peer))
    harness.advance_answering(3)


def record_of(harness: EngineHarness) -> NodeState:
    """Return the record after the publication that may be pending."""
    harness.advance_answering(PUBLISH_INTERVAL)
    assert harness.record is not None
    return harness.record


def problems_of(harness: EngineHarness) -> list[NodeProblem]:
    """Return the problems of the record, which are those of the agent itself."""
    found = list(node_problems("apex", "node1", record_of(harness)))
    view = harness.engine.view._replace(node="node1", store=StoreState.CONNECTED)
    assert own_problems(view) == tuple(found)
    return found


def reasons_of(harness: EngineHarness) -> list[str]:
    return [found.reason for found in problems_of(harness)]


def test_a_route_counts_as_announced_once_exabgp_has_accepted_it() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.reply()
    harness.wait(1)
    harness.check()
    assert harness.record is not None
    assert harness.record.vips[OWN] == VipState("owner", owned=True, asked=0)
    harness.reply()
    assert record_of(harness).vips[OWN] == VipState("owner", 0, owned=True)


def test_a_refused_route_is_not_announced() -> None:
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.read("error")
    harness.written.clear()
    seen = record_of(harness).vips[OWN]
    assert (seen.rank, seen.asked, seen.accepted) == (None, 0, False)
    assert harness.engine.view.services[0].record == harness.record


def refusal(config: ServiceConfig, reply: str) -> str:
    """Return the problem of a service whose changed route ExaBGP does not accept."""
    harness = EngineHarness(config)
    harness.details = {PEER: details(PEER, "ipv4 unicast", "ipv6 unicast")}
    harness.serve()
    harness.reconfigure(replace(config, routes=replace(config.routes, med=7)))
    if reply:
        harness.read(reply)
    for _ in range(3 if not reply else 0):  # it answers queries only
        harness.wait(2)
        queries, harness.written = [line for line in harness.written if line in QUERIES.values()], []
        harness.read(*chain.from_iterable(map(harness.reply_to, queries)))
    harness.written.clear()
    [found] = node_problems("apex", "node1", record_of(harness))
    assert found.reason == "refused"
    return found.what


def test_a_refused_route_shows_the_answer_and_the_likely_cause() -> None:
    what = f"ExaBGP has not accepted the route of a VIP: {OWN}: ExaBGP"
    line = f"`announce route {OWN}/32 next-hop self med 7`"
    cause = "no api block of a neighbour in exabgp.conf names this process (processes [ … ])"
    assert refusal(served(), "error") == f"{what} answered `error` to {line}: most likely {cause}"
    cause = "it rejects the next hop or an attribute"
    assert refusal(served(), "") == f"{what} did not reply to {line}: most likely {cause}"


def test_an_ipv6_route_on_an_ipv4_session_lacks_a_next_hop() -> None:
    own = "2001:db8::1"
    config = served(owned=(own,), owners=((own,), ("2001:db8::2",)))
    line = f"`announce route {own}/128 next-hop self med 7`"
    for reply, answered in (("error", "answered `error`"), ("", "did not reply")):
        assert refusal(config, reply).endswith(
            f": ExaBGP {answered} to {line}: the session with {PEER} has no IPv6 address that `next-hop "
            "self` could be: set next_hop of the service to an IPv6 address of this node"
        )


def test_a_long_refused_command_is_shown_in_part() -> None:
    many = RouteSettings(community=tuple(f"65001:{number}" for number in range(100)))
    what = refusal(replace(served(), routes=many), "error")
    assert len(what) < MAX_TEXT
    assert "…`: most likely" in what


def test_a_route_of_another_node_that_is_refused_is_not_announced() -> None:
    """No decision depends on it, but the status does."""
    harness = serving()
    harness.members(OWN)
    harness.wait(1)
    assert harness.record is not None
    taken = [vip for vip, seen in harness.record.vips.items() if seen.asked == 1]
    assert taken
    harness.read("done", "error", *answer(PEER))
    harness.written.clear()
    harness.wait(PUBLISH_INTERVAL)
    assert [harness.record.vips[vip].rank for vip in taken].count(1) == 1


def test_the_record_has_the_neighbours_the_worst_first() -> None:
    harness = serving()
    describe(harness, PEER, OTHER_PEER)
    assert record_of(harness).peers == (DOWN, UP)
    assert harness.engine.view.peers == (UP, DOWN)
    describe(harness, PEER, *(f"2001:db8::{number:x}" for number in range(200)))
    assert len(record_of(harness).peers) == MAX_RECORDED_PEERS


def test_a_change_of_a_neighbour_is_published_without_a_decision() -> None:
    """The number of established neighbours stays the same."""
    harness = serving()
    harness.details = {PEER: details(PEER, "ipv4 unicast", "ipv6 unicast", hold=240)}
    harness.read(established(PEER, up=False), established(PEER))
    harness.advance_answering(3)
    assert record_of(harness).peers == (replace(UP, families=("ipv4 unicast", "ipv6 unicast")),)


def test_an_unchanged_record_is_not_published_again() -> None:
    harness = serving()
    harness.wait(1)
    assert "publish" not in harness.read(established(PEER, up=False), established(PEER))
    assert "publish" not in harness.wait(1)


def test_the_record_has_local_as_only_if_exabgp_has_another_one() -> None:
    for local_as, recorded in ((65001, None), (65009, 65009)):
        harness = serving(replace(served(), routes=RouteSettings(local_as=local_as)))
        assert record_of(harness).local_as == recorded


def test_e5_a_service_that_a_reload_adds_knows_that_bgp_is_unknown() -> None:
    harness = EngineHarness()
    harness.start()
    harness.wait(10)
    own, others = "10.9.9.1", "10.9.9.2"
    harness.reconfigure(served(), served("other", owned=(own,), owners=((own,), (others,))))
    harness.check(name="other")
    harness.wait(30)
    record = harness.engine.services["other"].record
    assert record
    assert record.vips[own].reason is Reason.BGP_UNKNOWN


def test_the_record_explains_each_problem_by_itself() -> None:
    harness = serving()
    harness.check(detail="HTTP 200 in 3 ms")
    harness.read(established(PEER, up=False))
    assert record_of(harness).explanations == {}, "the neighbour's state explains it"
    assert record_of(harness).detail == "0 BGP neighbours established, 1 required"


def test_a_good_check_does_not_explain_why_the_service_is_down() -> None:
    harness = serving(served(rise=2))
    harness.check(CheckResult.BAD, detail="HTTP 500")
    harness.check(detail="HTTP 200 in 4 ms")
    harness.read(established(PEER, up=False))
    record = record_of(harness)
    assert record.explanations["check-down"] == "HTTP 500", "not up yet"
    assert record.detail.endswith("; HTTP 500")


def test_h4_a_held_node_says_until_when() -> None:
    harness = serving(served(flap_hold=FlapHold(seconds=90, count=1, window=60)))
    harness.check(CheckResult.BAD)
    harness.advance_answering(1)
    harness.check()
    record = record_of(harness)
    assert record.vips[OWN].reason == "flap-hold"
    held = "held until 2026-01-01T00:01:30+00:00: failures within 60 s have reached the limit of 1"
    assert (record.explanations, record.detail) == ({"flap-hold": held}, held)
    harness.members(*OTHERS)
    harness.advance_answering(60)
    assert record_of(harness).detail == held, "it does not change with the time"
    [found] = problems_of(harness)
    assert (found.reason, found.vip) == ("flap-hold", OWN)
    assert found.what.endswith(f": {OWN}: {held}")
    harness.advance_answering(30)
    record = record_of(harness)
    assert (record.vips[OWN].reason, record.explanations, record.detail) == ("owner", {}, "status 0")


def test_one_cause_is_one_problem() -> None:
    harness = serving()
    harness.read(established(PEER, up=False))
    assert reasons_of(harness) == ["neighbor-down"]
    harness.give(inputs.LinksDown({PEER: "eth0"}))
    assert reasons_of(harness) == ["no-carrier"]
    harness.wait(20)
    assert reasons_of(harness) == ["exabgp-hung"]


def test_a_hung_exabgp_has_not_refused_the_route() -> None:
    harness = serving()
    harness.reconfigure(replace(served(), routes=RouteSettings(med=7)))
    harness.wait(60)
    assert "ExaBGP did not reply to the command, will retry" in [entry.message for entry in harness.logged]
    assert harness.record is not None
    assert harness.record.vips[OWN].reason == "no-bgp"
    assert [found.reason for found in node_problems("apex", "node1", harness.record)] == ["exabgp-hung"]
    harness.reply()
    harness.advance_answering(30)
    assert (record_of(harness).vips[OWN].reason, reasons_of(harness)) == ("owner", [])


def test_a_lost_store_is_one_problem() -> None:
    harness = serving(
        served(on_store_loss="withdraw"), served("other", owned=("10.9.9.1",), on_store_loss="withdraw")
    )
    harness.store(StoreState.LOST)
    harness.wait(1)
    assert [(found.reason, found.service) for found in own_problems(harness.engine.view)] == [
        ("store-lost", None)
    ]


def test_too_few_neighbours_are_a_problem_of_their_own() -> None:
    harness = serving(served(require_bgp=2))
    [found] = problems_of(harness)
    assert found.what.endswith(": 1 BGP neighbours established, 2 required")
    harness.read(established(PEER, up=False))
    assert reasons_of(harness) == ["no-bgp", "neighbor-down"], "it cannot be enough"


def test_a_neighbour_that_exabgp_does_not_have_explains_the_closed_gate() -> None:
    harness = serving(replace(served(), routes=RouteSettings(neighbor=(OTHER_PEER,))))
    harness.advance_answering(3)
    record = record_of(harness)
    assert record.neighbors == 0
    why = (
        f"neighbor of the service names {OTHER_PEER}, which ExaBGP does not have; its neighbours are {PEER}: "
        "correct neighbor, or exabgp.conf"
    )
    assert record.explanations == {"no-bgp": why}
    assert record.detail == why, "it explains `BGP 0` in the status"
    [found] = problems_of(harness)
    assert found.what == f"too few BGP neighbours are established: {why}"
    harness.check(CheckResult.BAD)
    harness.advance_answering(2)
    harness.check()
    harness.read("error")
    harness.written.clear()
    [found] = problems_of(harness)
    assert found.what == f"ExaBGP has not accepted the route of a VIP: {OWN}: {why}"
    assert record_of(harness).detail == why


def test_only_the_first_of_many_neighbours_are_named() -> None:
    wrong = tuple(f"2001:db8::{number:x}" for number in range(1, 200))
    harness = serving(replace(served(), routes=RouteSettings(neighbor=wrong)))
    harness.advance_answering(3)
    why = record_of(harness).explanations["no-bgp"]
    assert "2001:db8::4, 2001:db8::5 (and 194 more), which" in why
    assert len(why) < MAX_TEXT


def test_n1_a_late_description_without_replies_does_not_erase_the_last_one() -> None:
    harness = EngineHarness()
    harness.start()
    harness.read(*answer(PEER)[:-1])
    harness.read(*details(PEER))
    harness.wait(50)
    assert harness.engine.view.peers[0].hold_time == 240
    harness.written = []
    while "details" not in harness.written:
        harness.wait(0.3)
        if harness.written == ["show"]:
            harness.written = []
            harness.read(*answer(PEER)[:-1])
    harness.read(*answer(PEER)[:-1])
    harness.wait(1.2)  # longer than the pause that ends an answer
    [peer] = harness.engine.view.peers
    assert (peer.hold_time, peer.peer_as) == (240, 65000)


def test_local_as_concerns_only_the_neighbours_that_receive_the_routes() -> None:
    for neighbor, recorded in ((PEER, None), (OTHER_PEER, 65001)):
        harness = EngineHarness(replace(served(), routes=RouteSettings(local_as=65001, neighbor=(neighbor,))))
        other = [line.replace("AS 65001", "AS 65002") for line in details(OTHER_PEER)]
        harness.peers, harness.details = (PEER, OTHER_PEER), {OTHER_PEER: other}
        harness.serve()
        assert record_of(harness).local_as == recorded
