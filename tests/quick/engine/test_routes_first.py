"""Order of effects: lines to ExaBGP and registrations before reports (Shape 1)."""

from collections import Counter
from datetime import UTC, datetime
from itertools import chain

import pytest

from tests.quick.core.pools import OWN, SECOND
from tests.quick.engine.harness import (
    OTHERS,
    QUERIES,
    EngineHarness,
    config,
    established,
    served,
    serving,
)
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.engine import effects, inputs
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp.commands import MAX_IN_FLIGHT
from vipagent.store.backend import Entry
from vipagent.store.layout import Directory, Kind, member_name
from vipagent.types import CheckResult, Claim, OnStoreLoss, StoreState

WITHDRAWN = f"withdraw route {OWN}/32"
REPORTS = (
    effects.Log,
    effects.PublishRecord,
    effects.RunServiceHook,
    effects.ViewChanged,
    effects.StopService,
)
WITHDRAW_ON_LOSS = served(on_store_loss=OnStoreLoss.WITHDRAW)
GONE = inputs.SnapshotRead(
    Directory(Kind.MEMBERS, "apex"), {member_name(OWN): Entry(b"", Claim.OURS), "?": Entry()}
)
INPUTS: dict[str, Input] = {
    "members": GONE,
    "check": inputs.CheckRan("apex", events.CheckFinished(CheckResult.BAD)),
    "maintenance": inputs.SnapshotRead(Directory(Kind.MAINTENANCE, "apex"), {"all": Entry()}),
    "store": inputs.StoreSession(StoreState.LOST, ""),
    "addresses": events.AddressesMissing({OWN: "no permission"}),
    "shutdown": inputs.LinesRead([established(up=False), "shutdown 1 2"]),
    "stop": inputs.ShutdownRequested(),
    "reload": inputs.ConfigReloaded(config(served("web", owned=(SECOND,)))),
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_lines_to_exabgp_come_before_reports(given: Input) -> None:
    harness = serving(WITHDRAW_ON_LOSS)
    harness.give(given)
    kinds = [type(effect) for effect in harness.effects]
    last = max(place for place, kind in enumerate(kinds) if kind is effects.Write)
    assert not set(kinds[:last]) & set(REPORTS)
    assert set(kinds[last:]) & set(REPORTS)


def test_reports_are_evaluated_after_the_lines() -> None:
    calls = 0

    def wall_clock() -> datetime:
        nonlocal calls
        calls += 1
        return datetime(2026, 1, 1, tzinfo=UTC)

    harness = EngineHarness()
    harness.engine = Engine(harness.config, wall_clock)
    harness.serve()
    before = calls
    following = harness.engine.handle(GONE, harness.now)
    assert isinstance(next(following), effects.Write)
    assert calls == before
    assert [effect for effect in following if isinstance(effect, effects.Log)]
    assert calls > before


def test_g2_a_registration_is_removed_before_its_route() -> None:
    harness = serving()
    assert harness.check(CheckResult.BAD)[:2] == [f"deregister /service/apex/{OWN}", WITHDRAWN]


def test_g1_registers_after_acceptance_and_after_the_lines() -> None:
    harness = EngineHarness()
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.members(*OTHERS)
    announced, *reported = harness.check()
    assert announced == f"announce route {OWN}/32 next-hop self med 100"
    assert not [line for line in reported if line.startswith("register")]
    assert harness.reply() == [f"register /service/apex/{OWN}", "log register"]
    harness = serving()
    harness.check(CheckResult.BAD)
    harness.check()
    lines = harness.read("done", "done", established("192.0.2.2"))
    assert lines[0].startswith("announce")


def test_withdrawals_after_a_lost_session_are_written_per_service() -> None:
    """The withdrawals of a service do not wait for the decisions of the others."""
    web = served("web", owned=("10.1.0.1",), owners=(("10.1.0.1",),), on_store_loss=OnStoreLoss.WITHDRAW)
    harness = serving(WITHDRAW_ON_LOSS, web)
    harness.store(StoreState.LOST)
    kinds = [type(effect) for effect in harness.effects[:4]]
    assert kinds == [effects.DeregisterEntry, effects.Write] * 2


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the decisions of each service."""
    counted: Counter[str] = Counter()
    handle = Service.handle

    def counting(self: Service, event: events.Event, now: float) -> list[actions.Action]:
        counted[self.settings.name] += 1
        return handle(self, event, now)

    monkeypatch.setattr(Service, "handle", counting)
    return counted


def test_a6_one_decision_per_service_and_read(decisions: Counter[str]) -> None:
    """1,000 VIPs of two services; each read contains a window of replies and a change of neighbours."""
    pools = [tuple(f"10.{half}.{n // 250}.{n % 250}" for n in range(500)) for half in range(2)]
    harness = EngineHarness(
        *(served(f"s{half}", owned=pool, owners=(pool,)) for half, pool in enumerate(pools))
    )
    harness.start()
    harness.advance_answering(1)
    harness.store()
    for name in harness.engine.services:
        harness.maintenance(name=name)
        harness.members(name=name)
    harness.check(name="s1")
    harness.check(name="s0")
    decisions.clear()
    for _ in range(4):
        assert sum(line.startswith("announce") for line in harness.written) == MAX_IN_FLIGHT
        queries = [line for line in harness.written if line in QUERIES.values()]
        harness.written.clear()
        harness.read(
            *["done"] * (MAX_IN_FLIGHT // 2),
            established(up=False),
            established(),
            *["done"] * (MAX_IN_FLIGHT // 2),
            *chain.from_iterable(harness.reply_to(query) for query in queries),
        )
    assert decisions == {"s0": 4, "s1": 4}
    decisions.clear()
    harness.reply()
    assert decisions == {"s1": 1}, "replies for VIPs of other nodes lead to no decision"


def test_all_commands_after_one_read_are_one_write() -> None:
    harness = serving(served(), served("web", owned=(SECOND,), owners=((SECOND,), ("10.0.0.9",))))
    harness.check(CheckResult.BAD)
    harness.check(CheckResult.BAD, "web")
    harness.check()
    harness.check(name="web")
    harness.reply()
    assert len([effect for effect in harness.effects if isinstance(effect, effects.Write)]) == 1
