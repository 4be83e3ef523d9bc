"""Facts in the node's record and view: accepted routes and neighbours (Shape 6)."""

from dataclasses import replace

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import (
    OTHER_PEER,
    PEER,
    EngineHarness,
    established,
    served,
    serving,
)
from vipagent.engine.gate import Gate
from vipagent.engine.publications import PUBLISH_INTERVAL
from vipagent.exabgp.route import RouteSettings
from vipagent.store.records import MAX_RECORDED_PEERS, NodeState, VipState
from vipagent.types import CheckResult, Neighbor

UP = Neighbor(PEER, "established", 65001, 65000, ("ipv4 unicast",), 9, "eth0")
DOWN = Neighbor(OTHER_PEER, "down")


def know(monkeypatch: pytest.MonkeyPatch, *neighbors: Neighbor) -> None:
    """Let the gate know these neighbours."""
    monkeypatch.setattr(Gate, "neighbors", property(lambda _gate: neighbors))


def record_of(harness: EngineHarness) -> NodeState:
    """Return the record after the publication that may be pending."""
    harness.advance_answering(PUBLISH_INTERVAL)
    assert harness.record is not None
    return harness.record


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


def test_a_route_of_another_node_that_is_refused_is_not_announced() -> None:
    """No decision depends on it, but the status does."""
    harness = serving()
    harness.members(OWN)
    harness.wait(1)
    assert harness.record is not None
    taken = [vip for vip, seen in harness.record.vips.items() if seen.asked == 1]
    assert taken
    harness.read("done", *["error"] * (len(harness.written) - 1))
    harness.written.clear()
    harness.wait(PUBLISH_INTERVAL)
    assert [harness.record.vips[vip].rank for vip in taken].count(1) == 1


def test_the_record_has_the_neighbours_the_worst_first(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = serving()
    know(monkeypatch, UP, DOWN)
    harness.read(established(OTHER_PEER))
    assert record_of(harness).peers == (DOWN, UP)
    assert harness.engine.view.peers == (UP, DOWN)
    know(monkeypatch, *[UP] * 200)
    harness.read(established(OTHER_PEER, up=False))
    assert len(record_of(harness).peers) == MAX_RECORDED_PEERS


def test_a_change_of_a_neighbour_is_published_without_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of established neighbours stays the same."""
    harness = serving()
    harness.wait(1)
    know(monkeypatch, UP, DOWN)
    harness.read(established(PEER, up=False), established(PEER))
    assert record_of(harness).peers == (DOWN, UP)


def test_an_unchanged_record_is_not_published_again() -> None:
    harness = serving()
    harness.wait(1)
    assert "publish" not in harness.read(established(PEER, up=False), established(PEER))
    assert "publish" not in harness.wait(1)


def test_the_record_has_local_as_only_if_exabgp_has_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = serving(replace(served(), routes=RouteSettings(local_as=65009)))
    know(monkeypatch, DOWN)
    harness.read(established(OTHER_PEER))
    assert record_of(harness).local_as is None
    know(monkeypatch, UP)
    harness.read(established(OTHER_PEER, up=False))
    assert record_of(harness).local_as == 65009
