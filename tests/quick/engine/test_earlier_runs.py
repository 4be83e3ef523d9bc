"""A registration of another run is that of a duplicate agent once earlier runs cannot be registered (G3)."""

from tests.quick.engine.harness import EngineHarness
from vipagent.engine.earlier_runs import SESSION_MARGIN
from vipagent.types import StoreState

LONGEST = 2 * 6.0 + SESSION_MARGIN
"""Seconds of the default session timeout."""


def expired(harness: EngineHarness) -> bool:
    assert harness.record is not None
    return harness.record.earlier_expired


def serving() -> EngineHarness:
    harness = EngineHarness()
    harness.serve()
    return harness


def test_g3_the_record_tells_when_earlier_runs_have_expired() -> None:
    harness = EngineHarness()
    harness.start()
    harness.advance_answering(2 * LONGEST)
    harness.store()
    harness.check()
    harness.maintenance()
    harness.members()
    harness.advance_answering(LONGEST - 1)
    assert not expired(harness), "the time without the store does not count"
    harness.advance_answering(2)
    assert expired(harness)


def test_g3_the_store_must_be_connected_for_the_whole_time() -> None:
    harness = serving()
    harness.advance_answering(LONGEST / 4)
    assert not expired(harness)
    harness.store(StoreState.UNSURE)
    harness.advance_answering(LONGEST)
    harness.store()
    harness.advance_answering(LONGEST - 1)
    assert not expired(harness)
    harness.advance_answering(2)
    assert expired(harness)


def test_g3_earlier_runs_stay_expired() -> None:
    harness = serving()
    harness.advance_answering(LONGEST)
    harness.store(StoreState.LOST)
    harness.store()
    harness.advance_answering(1)
    assert expired(harness)
