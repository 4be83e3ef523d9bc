"""A first acceptance is held until the answer to a query shows that no reply is missing (G1, E1)."""

from dataclasses import replace

from tests.quick.core.pools import OWN, THIRD
from tests.quick.engine.harness import PEER, EngineHarness, answer, served, serving
from vipagent.core.actions import Preference
from vipagent.engine import effects
from vipagent.exabgp.polling import POLL_INTERVAL, POLL_TIMEOUT
from vipagent.exabgp.route import RouteSettings, announce
from vipagent.store.layout import member_vip
from vipagent.types import CheckResult, Reason

VIPS = ("10.0.0.1", "10.0.0.2")
"""The VIPs of the node, in the order of their commands."""
BOTH = served(owned=VIPS, owners=(VIPS, (THIRD,)))
LINES = [line for vip in VIPS for line in announce(RouteSettings(), vip, Preference(0))]


def ready() -> EngineHarness:
    """Return an engine that has read the store, and has two VIPs to announce."""
    harness = EngineHarness(BOTH)
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.members()
    return harness


def announcing() -> EngineHarness:
    """Return an engine that has written the announcements of its two VIPs."""
    harness = ready()
    assert harness.check()[:3] == [*LINES, "show"], "routes first, and the query in the same write"
    return harness


def registered(harness: EngineHarness, *lines: str) -> list[str]:
    """Read lines of ExaBGP's output; return the VIPs that are registered after that."""
    harness.read(*lines)
    return [
        member_vip(effect.key.name) for effect in harness.effects if isinstance(effect, effects.RegisterEntry)
    ]


def reasons(harness: EngineHarness) -> dict[str, Reason]:
    (service,) = harness.engine.services.values()
    assert service.report is not None
    return {vip: seen.reason for vip, seen in service.report.vips.items() if seen.owned}


def test_g1_a_vip_is_registered_once_the_answer_shows_that_no_reply_is_missing() -> None:
    harness = announcing()
    assert registered(harness, "done", "done") == []
    assert registered(harness, answer(PEER)[0]) == list(VIPS)


def test_g1_a_route_without_a_reply_is_never_registered() -> None:
    """4.2 drops the first route silently, so the reply to the second one counts as its own."""
    harness = announcing()
    harness.written.clear()
    assert registered(harness, "done", *answer(PEER)) == []
    seen: list[str] = []
    for _ in range(40):
        written, harness.written = harness.written, []
        for line in written:
            if line.startswith(LINES[0]):
                continue
            seen += registered(harness, *(answer(PEER) if line == "show" else ["done"]))
        harness.wait(0.05)
    assert seen == [VIPS[1]]
    assert reasons(harness) == {VIPS[0]: Reason.REFUSED, VIPS[1]: Reason.OWNER}


def test_g1_a_route_whose_reply_is_certain_is_replaced_without_a_query() -> None:
    harness = serving(BOTH)
    routes = RouteSettings(med=7)
    lines = harness.reconfigure(replace(BOTH, routes=routes))
    assert [line for line in lines if line == "show"] == []
    assert harness.read("done", "done") == []
    assert set(reasons(harness).values()) == {Reason.OWNER}


def test_g1_a_route_that_was_withdrawn_has_to_be_accepted_again() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.reply()
    assert harness.check()[1] == "show"
    assert registered(harness, "done") == []
    assert registered(harness, *answer(PEER)) == [OWN]


def test_g1_an_acceptance_does_not_outlive_its_route() -> None:
    harness = announcing()
    harness.read("done", "done")
    harness.written.clear()
    assert harness.check(CheckResult.BAD)[:2] == [f"withdraw route {vip}/32" for vip in VIPS]
    assert registered(harness, *answer(PEER), "done", "done") == []
    assert registered(harness, *answer(PEER)) == []


def test_g1_an_answer_that_may_be_that_of_a_later_query_confirms_nothing() -> None:
    """ExaBGP has lost a query, so the next answer may be older than the acceptances, or not."""
    harness = ready()
    harness.wait(POLL_INTERVAL)
    assert harness.written == ["show"], "this query is lost"
    while harness.now < 100 + 1 + POLL_INTERVAL + POLL_TIMEOUT - 3:
        harness.wait(1)
        harness.read("another line, so ExaBGP does not hang")
    assert harness.check()[:2] == LINES
    assert registered(harness, "done") == [], "the reply to the second route"
    harness.read("another line, so ExaBGP does not hang")
    harness.wait(2)
    harness.read("another line, so ExaBGP does not hang")
    assert harness.wait(2)[-1:] == ["show"]
    assert registered(harness, *answer(PEER)) == []
