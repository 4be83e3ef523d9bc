"""Limits of what flapping may cost: records per second, and log lines per minute (Shape 4)."""

from collections.abc import Iterator

import pytest

from tests.quick.core.pools import OWN
from tests.quick.engine.harness import PEER, EngineHarness, established, served, serving
from vipagent.core.events import TimerFired
from vipagent.engine import effects, inputs
from vipagent.engine.effects import Effect, Log
from vipagent.engine.neighbor_log import MAX_CHANGES, MAX_NEIGHBORS, WINDOW, NeighborLog
from vipagent.engine.publications import PUBLISH_INTERVAL, VIPS_PER_INTERVAL, Publications
from vipagent.engine.reporter import Reporter
from vipagent.exabgp.commands import REPLY_TIMEOUT
from vipagent.store.layout import Directory, Key, Kind
from vipagent.store.records import NodeState, VipState
from vipagent.telemetry.problems import Fault
from vipagent.types import CheckResult

KEY, OTHER_KEY = (Key(Directory(Kind.STATES, name), "node1") for name in ("apex", "other"))
GATE_CLOSED = "log BGP gate closed, not registering: vipagent status shows the cause"


class Recorder:
    """Publishes the number of evaluations, to tell which request was published."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def publish(self, text: str) -> Iterator[Effect]:
        self.published.append(text)
        yield Log.info(text)


def test_the_first_record_is_published_at_once_and_the_latest_when_it_is_due() -> None:
    publications, recorder = Publications(), Recorder()
    publications.advance(10.0)
    for text in ("first", "skipped", "latest"):
        list(publications.request(KEY, lambda text=text: recorder.publish(text)))  # type: ignore[misc]
    assert recorder.published == ["first"], "a skipped record is not even built"
    assert publications.deadline() == 10.0 + PUBLISH_INTERVAL
    publications.advance(10.0 + PUBLISH_INTERVAL)
    assert len(list(publications.due())) == 1
    assert recorder.published == ["first", "latest"]
    assert publications.deadline() is None
    assert list(publications.due()) == []


def test_each_record_has_its_own_limit() -> None:
    publications, recorder = Publications(), Recorder()
    list(publications.request(KEY, lambda: recorder.publish("one")))
    list(publications.request(OTHER_KEY, lambda: recorder.publish("other")))
    assert recorder.published == ["one", "other"]


def test_a_large_record_is_published_less_often() -> None:
    """The record of a take-over of 10,000 VIPs costs tens of milliseconds."""
    publications = Publications()
    vips = {f"10.{number // 250}.{number % 250}.1": VipState("takeover", 1) for number in range(10_000)}
    record = NodeState("node1", "up", vips=vips)
    list(publications.request(KEY, lambda: iter([effects.PublishRecord(KEY, record)])))
    publications.mark(KEY, lambda: iter(()))
    assert publications.deadline() == PUBLISH_INTERVAL * 10_000 / VIPS_PER_INTERVAL


def test_a_deleted_record_is_not_published_again() -> None:
    publications, recorder = Publications(), Recorder()
    for text in ("first", "pending"):
        list(publications.request(KEY, lambda text=text: recorder.publish(text)))  # type: ignore[misc]
    publications.forget(KEY)
    assert publications.deadline() is None
    publications.advance(1.0)
    assert list(publications.due()) == []


def records(harness: EngineHarness) -> int:
    return sum(isinstance(effect, effects.PublishRecord) for effect in harness.effects)


def test_the_final_state_is_published_within_the_interval() -> None:
    harness = serving()
    published = 0
    for result in (CheckResult.BAD, CheckResult.GOOD, CheckResult.BAD) * 5:
        harness.check(result)
        published += records(harness)
        harness.reply()
        published += records(harness)
    assert published == 1
    harness.wait(PUBLISH_INTERVAL)
    assert harness.record is not None
    assert harness.record.check == "down"
    assert harness.record.vips[OWN].reason == "check-down"


def test_a_pending_record_is_dropped_when_the_agent_stops() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    lines = harness.check()
    lines += harness.give(inputs.ShutdownRequested())
    lines += harness.advance_answering(2)
    assert harness.ended
    deleted = max(number for number, line in enumerate(lines) if line.startswith("deregister"))
    assert "publish" not in lines[deleted:]


def test_a_fault_of_the_process_is_in_the_record_and_in_the_view_until_it_is_gone() -> None:
    harness = serving()
    harness.wait(1)
    harness.give(inputs.FaultChanged(Fault.NO_STATE_DIRECTORY, "/srv: Permission denied"))
    assert records(harness) == 1
    assert harness.record is not None
    assert (
        harness.record.faults
        == harness.engine.view.faults
        == {"no-state-directory": "/srv: Permission denied"}
    )
    harness.wait(1)
    assert harness.give(inputs.FaultChanged(Fault.NO_STATE_DIRECTORY, "/srv: Permission denied")) == []
    harness.give(inputs.FaultChanged(Fault.NO_STATE_DIRECTORY, None))
    assert records(harness) == 1
    assert harness.record.faults == harness.engine.view.faults == {}


def test_a_record_that_cannot_be_built_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """E6: also when its publication was postponed."""

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    harness = serving()
    harness.check(CheckResult.BAD)
    harness.check()
    monkeypatch.setattr(Reporter, "record", broken)
    assert "log internal error" in harness.advance_answering(PUBLISH_INTERVAL)


def test_hundred_flapping_neighbours_cost_little() -> None:
    """They change 10 times per second each, for five minutes."""
    harness = EngineHarness(served(require_bgp=1))
    harness.serve()
    peers = [f"192.0.2.{number}" for number in range(100)]
    logged, published, seconds = 0, 0, 300.0
    changes = round(seconds / 0.1)
    for number in range(changes):
        harness.read(*(established(peer, up=number % 2 == 1) for peer in peers))
        logged += sum(message in {"bgp", "BGP neighbour is flapping"} for message in harness.logs())
        published += records(harness)
        harness.now += 0.1
        if harness.timer is not None and harness.timer <= harness.now:
            harness.timer = None
            harness.give(TimerFired())
            logged += sum(message in {"bgp", "BGP neighbour is flapping"} for message in harness.logs())
            published += records(harness)
            harness.reply()
    assert changes * len(peers) == 300_000
    assert logged <= len(peers) * (MAX_CHANGES + 1 + seconds / WINDOW)
    assert published <= seconds / PUBLISH_INTERVAL + 1


def test_a_gate_that_flaps_with_its_neighbour_is_logged_once_it_is_stable() -> None:
    harness = serving()
    logged: list[str] = []

    def handle(lines: list[str]) -> None:
        logged.extend(line for line in lines if line.startswith(("log BGP", "log bgp")))

    for number in range(101):
        handle(harness.read(established(up=number % 2 == 1)))
        harness.now += 0.1
    assert logged[:2] == ["log bgp", GATE_CLOSED]
    assert len(logged) == 2 * (MAX_CHANGES - 1) + 1, "the first change was its start"
    logged.clear()
    harness.peers = ()
    handle(harness.advance_answering(2 * WINDOW))
    assert logged == ["log BGP neighbour is flapping", "log BGP neighbour is stable again", GATE_CLOSED]
    harness.peers = (PEER,)
    handle(harness.read(established()))
    assert logged[3:] == ["log bgp", "log BGP gate open"]


def logs_of(log: NeighborLog, changes: int, now: float, step: float = 1.0) -> list[tuple[str, object]]:
    """Return the entries of some changes, the first one down."""
    entries = [
        log.changed(PEER, now + step * number, established=number % 2 == 1) for number in range(changes)
    ]
    return [(entry.message, entry.fields.get("changes")) for entry in entries if entry]


def test_a_stable_neighbour_has_a_line_per_change() -> None:
    log = NeighborLog()
    assert logs_of(log, 5, 0.0) == [("bgp", None)] * 5
    assert logs_of(log, 5, WINDOW + 5) == [("bgp", None)] * 5
    assert log.deadline() is None


def test_a_flapping_neighbour_is_summed_up_once_per_window_until_it_is_calm() -> None:
    log = NeighborLog()
    assert logs_of(log, 6, 0.0) == [("bgp", None)] * 5 + [("BGP neighbour is flapping", 6)]
    assert log.deadline() == 5.0 + WINDOW
    assert logs_of(log, 20, 6.0) == []
    [summary] = log.due(5.0 + WINDOW)
    assert (summary.message, summary.fields["changes"]) == ("BGP neighbour is flapping", 20)
    assert summary.fields["established"] is True
    assert logs_of(log, 3, 70.0) == []
    [calm] = log.due(5.0 + 2 * WINDOW)
    assert (calm.message, calm.fields["changes"]) == ("BGP neighbour is stable again", 3)
    assert calm.fields["established"] is False
    assert log.deadline() is None
    assert logs_of(log, 1, 200.0) == [("bgp", None)]


def test_the_number_of_tracked_neighbours_is_bounded() -> None:
    log = NeighborLog()
    for number in range(10 * MAX_NEIGHBORS):
        for _ in range(MAX_CHANGES + 1):
            log.changed(f"peer {number}", 0.0, established=True)
    assert len(log._neighbors) == len(log._summary_at) == MAX_NEIGHBORS
    assert len(list(log.due(WINDOW))) == MAX_NEIGHBORS


def test_e4_a_change_that_cannot_be_written_does_not_keep_the_loop_busy() -> None:
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.wait(REPLY_TIMEOUT + 0.5)  # a reply is missing, so ExaBGP is asked before the next change
    harness.give(inputs.PipeCongested(congested=True))
    harness.check()
    harness.wait(20)
