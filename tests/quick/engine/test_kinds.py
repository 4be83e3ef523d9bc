"""Each kind of neighbour, iBGP and eBGP, gets its own attributes (N10)."""

from dataclasses import replace

from tests.quick.core.pools import OWN, SECOND, THIRD
from tests.quick.engine.harness import (
    OTHER_PEER,
    PEER,
    EngineHarness,
    answer,
    details,
    established,
    served,
    serving,
)
from vipagent.exabgp.polling import POLL_INTERVAL
from vipagent.exabgp.route import RouteSettings
from vipagent.types import CheckResult, Reason

ROUTES = RouteSettings(prepend=2, local_as=65001)
ROUTE = f"announce route {SECOND}/32 next-hop self med 200"
PREPENDED = f"{ROUTE} as-path [ 65001 65001 65001 ] origin egp"
LOWERED = f"{ROUTE} local-preference 90 origin egp"
DOWN = [f"Neighbor {OTHER_PEER}", "state IDLE", "AS 65001 n/a", "hold-time 240 n/a"]
BOTH = [f"neighbor {PEER} {PREPENDED}", f"neighbor {OTHER_PEER} {LOWERED}"]


def taken_over(routes: RouteSettings = ROUTES, peers: tuple[str, ...] = (PEER,)) -> EngineHarness:
    """Return a node that has taken over the second VIP."""
    harness = serving(replace(served(), routes=routes))
    harness.peers = peers
    harness.members(OWN, THIRD)
    harness.advance_answering(3)
    return harness


def mixed() -> EngineHarness:
    """Return a node that has taken over the second VIP, with a neighbour of each kind."""
    harness = taken_over()
    harness.peers, harness.details = (PEER, OTHER_PEER), {OTHER_PEER: details(OTHER_PEER, asn=65001)}
    harness.advance_answering(5)
    return harness


def commands(lines: list[str]) -> list[str]:
    """Return the first command of each route that changes the attributes, or withdraws it."""
    known = dict.fromkeys(line for line in lines if "route" in line and " attribute " not in line)
    return [line for line in known if SECOND in line]


def test_n10_a_neighbour_of_another_kind_gets_its_own_line_without_a_withdrawal() -> None:
    harness = serving(replace(served(), routes=ROUTES))
    assert harness.members(OWN, THIRD)[0] == PREPENDED
    harness.advance_answering(3)
    harness.peers, harness.details = (PEER, OTHER_PEER), {OTHER_PEER: details(OTHER_PEER, asn=65001)}
    lines = harness.advance_answering(5)
    assert commands(lines) == BOTH
    assert not [line for line in lines if OWN in line and "neighbor" in line], "its lines do not differ"


def test_n10_only_ibgp_neighbours_get_one_line() -> None:
    harness = taken_over()
    harness.details = {PEER: details(PEER, asn=65001)}
    assert LOWERED in commands(harness.advance_answering(60))
    assert not [line for line in harness.advance_answering(300) if "as-path" in line]


def test_n10_the_summary_decides_until_the_neighbours_are_described() -> None:
    """A restarted agent must not send a loop, which would replace the route of the previous one."""
    harness = EngineHarness(replace(served(), routes=ROUTES))
    harness.start()
    harness.store()
    harness.maintenance()
    harness.members(OWN, THIRD)
    harness.check()
    harness.now += 10
    lines = harness.read(*answer(PEER, OTHER_PEER, asn=65001))
    assert LOWERED in lines
    assert not [line for line in lines if "as-path" in line]


def test_n10_a_neighbour_keeps_its_kind_while_it_is_down() -> None:
    harness = mixed()
    harness.peers, harness.details = (PEER,), {OTHER_PEER: DOWN}
    lines = harness.read(established(OTHER_PEER, up=False)) + harness.advance_answering(300)
    assert not [line for line in commands(lines) if line not in BOTH]


def test_n10_a_neighbour_that_exabgp_does_not_have_any_more_is_not_addressed() -> None:
    harness = mixed()
    harness.peers, harness.details = (PEER,), {}
    harness.read(established(OTHER_PEER, up=False))
    lines = harness.advance_answering(60)
    assert commands(lines)[-1] == PREPENDED
    assert not [line for line in lines if "withdraw" in line and SECOND in line]


def test_n10_a_change_of_kind_moves_a_neighbour_to_the_other_line() -> None:
    harness = mixed()
    harness.details = {PEER: details(PEER, asn=65001), OTHER_PEER: details(OTHER_PEER)}
    assert [f"neighbor {OTHER_PEER} {PREPENDED}", f"neighbor {PEER} {LOWERED}"] == commands(
        harness.advance_answering(60)
    )[-2:]


def test_n10_one_command_withdraws_from_both_kinds() -> None:
    harness = mixed()
    assert f"withdraw route {SECOND}/32" in harness.check(CheckResult.BAD)


def test_n10_a_reload_changes_the_lines_of_both_kinds() -> None:
    harness = mixed()
    lines = harness.reconfigure(replace(served(), routes=replace(ROUTES, local_preference_step=30)))
    assert commands(lines) == [BOTH[0], f"neighbor {OTHER_PEER} {ROUTE} local-preference 70 origin egp"]


def test_n10_a_refused_line_asks_at_once_whether_its_neighbour_is_still_configured() -> None:
    harness = mixed()
    harness.peers, harness.details = (PEER,), {}
    harness.read(established(OTHER_PEER, up=False), *answer(PEER))
    harness.members(OWN, SECOND, THIRD)
    harness.advance_answering(4)
    harness.written = []
    harness.members(OWN, THIRD)
    assert set(BOTH) <= set(harness.written)
    harness.written = []
    harness.read("done", "error", *answer(PEER))
    lines = harness.advance_answering(POLL_INTERVAL + 0.5)
    assert PREPENDED in commands(lines), "the only neighbour left gets all routes"


def test_n10_a_kind_that_takes_no_commands_of_ours_does_not_refuse_the_route() -> None:
    """No `api` block of these neighbours names the process, and the others have the route."""
    harness = mixed()
    harness.members(OWN, SECOND, THIRD)
    harness.advance_answering(4)
    harness.members(OWN, THIRD)
    assert set(BOTH) <= set(harness.written)
    harness.written = []
    harness.read("done", "error", *answer(*harness.peers))
    assert any(
        "for one kind of neighbour (check their `api` blocks), will retry" in message
        for message in harness.logs()
    )
    (service,) = harness.engine.services.values()
    assert service.report is not None
    assert (service.report.vips[SECOND].reason, service.report.vips[SECOND].accepted) == (
        Reason.TAKEOVER,
        True,
    )


def test_n10_a_route_that_no_kind_accepts_is_refused() -> None:
    harness = mixed()
    harness.members(OWN, SECOND, THIRD)
    harness.advance_answering(4)
    harness.members(OWN, THIRD)
    harness.written = []
    harness.read("error", "error", *answer(*harness.peers))
    (service,) = harness.engine.services.values()
    assert service.report is not None
    assert not service.report.vips[SECOND].accepted
