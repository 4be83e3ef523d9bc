"""Routes first: the lines to ExaBGP, and the store's members, come before what is reported (Shape 1)."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.quick.core.pools import OWN, SECOND
from tests.quick.engine.harness import OTHERS, EngineHarness, config, established, served, serving
from vipagent.core import actions, events
from vipagent.core.service import Service
from vipagent.engine import effects, inputs
from vipagent.engine.engine import Engine
from vipagent.engine.inputs import Input
from vipagent.exabgp.speaker import WINDOW
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
KEEPING_NOTHING = served(on_store_loss=OnStoreLoss.WITHDRAW)
GONE = inputs.SnapshotRead(
    Directory(Kind.MEMBERS, "apex"), {member_name(OWN): Entry(b"", Claim.OURS), "?": Entry()}
)
EVERY_WAY_TO_A_ROUTE: dict[str, Input] = {
    "members": GONE,
    "check": inputs.CheckRan("apex", events.Checked(CheckResult.BAD)),
    "maintenance": inputs.SnapshotRead(Directory(Kind.MAINTENANCE, "apex"), {"all": Entry()}),
    "store": inputs.StoreSession(StoreState.LOST, ""),
    "addresses": events.AddressesMissing({OWN: "no permission"}),
    "shutdown": inputs.LinesRead([established(up=False), "shutdown 1 2"]),
    "stop": inputs.ShutdownRequested(),
    "reload": inputs.ConfigReloaded(config(served("web", owned=(SECOND,)))),
}


@pytest.mark.parametrize("given", EVERY_WAY_TO_A_ROUTE.values(), ids=EVERY_WAY_TO_A_ROUTE)
def test_the_lines_to_exabgp_come_before_anything_that_is_reported(given: Input) -> None:
    harness = serving(KEEPING_NOTHING)
    harness.give(given)
    kinds = [type(effect) for effect in harness.effects]
    last = max(place for place, kind in enumerate(kinds) if kind is effects.Write)
    assert not set(kinds[:last]) & set(REPORTS)
    assert set(kinds[last:]) & set(REPORTS)


def test_nothing_that_is_reported_is_even_made_before() -> None:
    looks = 0

    def wall_clock() -> datetime:
        nonlocal looks
        looks += 1
        return datetime(2026, 1, 1, tzinfo=UTC)

    harness = EngineHarness()
    harness.engine = Engine(harness.config, wall_clock)
    harness.serve()
    before = looks
    following = harness.engine.handle(GONE, harness.now)
    assert isinstance(next(following), effects.Write)
    assert looks == before
    assert [effect for effect in following if isinstance(effect, effects.Log)]
    assert looks > before


def test_g2_a_registration_goes_before_its_route() -> None:
    harness = serving()
    assert harness.check(CheckResult.BAD)[:2] == [f"deregister /service/apex/{OWN}", WITHDRAWN]


def test_g1_a_registration_comes_once_its_route_is_accepted_and_after_the_lines() -> None:
    harness = EngineHarness()
    harness.start()
    harness.live(1)
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


def test_a_session_that_is_lost_is_written_service_by_service() -> None:
    """Each service's withdrawals need not wait for the decisions of the others."""
    web = served("web", owned=("10.1.0.1",), owners=(("10.1.0.1",),), on_store_loss=OnStoreLoss.WITHDRAW)
    harness = serving(KEEPING_NOTHING, web)
    harness.store(StoreState.LOST)
    kinds = [type(effect) for effect in harness.effects[:4]]
    assert kinds == [effects.DeregisterEntry, effects.Write] * 2


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what each service has decided by."""
    counted: Counter[str] = Counter()
    handle = Service.handle

    def counting(self: Service, event: events.Event, now: float) -> list[actions.Action]:
        counted[self.settings.name] += 1
        return handle(self, event, now)

    monkeypatch.setattr(Service, "handle", counting)
    return counted


def test_a6_one_read_leads_to_one_decision_of_each_service(decisions: Counter[str]) -> None:
    """1,000 VIPs of two services: as many replies as a read brings, and a neighbour's state among them."""
    pools = [tuple(f"10.{half}.{n // 250}.{n % 250}" for n in range(500)) for half in range(2)]
    harness = EngineHarness(
        *(served(f"s{half}", owned=pool, owners=(pool,)) for half, pool in enumerate(pools))
    )
    harness.start()
    harness.live(1)
    harness.store()
    for name in harness.engine.services:
        harness.maintenance(name=name)
        harness.members(name=name)
    harness.check(name="s1")
    harness.check(name="s0")
    decisions.clear()
    for _ in range(4):
        assert len(harness.written) == WINDOW
        harness.written.clear()
        harness.read(
            *["done"] * (WINDOW // 2), established(up=False), established(), *["done"] * (WINDOW // 2)
        )
    assert decisions == {"s0": 4, "s1": 4}
    decisions.clear()
    harness.reply()
    assert decisions == {"s1": 1}, "the others' VIPs are none of its business"


def test_what_follows_from_one_read_is_written_in_one_go() -> None:
    harness = serving(served(), served("web", owned=(SECOND,), owners=((SECOND,), ("10.0.0.9",))))
    harness.check(CheckResult.BAD)
    harness.check(CheckResult.BAD, "web")
    harness.check()
    harness.check(name="web")
    harness.reply()
    assert len([effect for effect in harness.effects if isinstance(effect, effects.Write)]) == 1
