"""Log entries of decisions say what is the case, and each once (Shape 4)."""

from dataclasses import replace

from tests.quick.core.pools import OWN, THIRD
from tests.quick.engine.harness import ALL, OTHER_PEER, PEER, EngineHarness, established, served, serving
from vipagent.engine import inputs
from vipagent.engine.effects import Level
from vipagent.engine.reporter import CONFLICT_INTERVAL
from vipagent.exabgp.route import RouteSettings
from vipagent.store.backend import Entry
from vipagent.store.fields import MAX_TEXT
from vipagent.store.layout import Directory, Kind, member_name
from vipagent.store.records import Registration
from vipagent.types import CheckResult, Claim, StoreState

CONFLICT = "conflict: another agent holds this VIP's registration"


def logs(harness: EngineHarness, message: str) -> list[dict[str, object]]:
    """Return the fields of the entries with this message."""
    return [dict(entry.fields) for entry in harness.logged if entry.message == message]


def test_g1_register_says_that_the_store_is_away() -> None:
    harness = EngineHarness()
    harness.start()
    harness.read(established())
    harness.check()
    harness.wait(60)  # longer than `start_grace`
    harness.reply()
    [deferred] = logs(harness, "registration deferred")
    assert deferred["store"] == "lost"
    assert logs(harness, "register") == logs(harness, "registered") == []
    harness.store()
    harness.members(OWN)
    assert logs(harness, "registered") == [{"service": "apex", "vip": OWN}]


def test_g2_a_deregistration_while_the_store_is_away_is_deferred() -> None:
    harness = serving()
    harness.store(StoreState.UNSURE)
    harness.check(CheckResult.BAD)
    [deferred] = logs(harness, "deregistration deferred")
    assert (deferred["store"], deferred["reason"]) == ("unsure", "check-down")
    assert logs(harness, "deregister") == []


def test_e2_a_vip_that_was_never_announced_is_not_withdrawn() -> None:
    harness = EngineHarness()
    harness.start()
    harness.advance_answering(1)
    harness.check(CheckResult.BAD)
    assert {entry["vip"] for entry in logs(harness, "not announced")} == {*ALL}
    assert logs(harness, "withdraw") == []


def test_g1_registered_is_logged_once_per_registration() -> None:
    harness = serving()
    [register] = logs(harness, "register")
    assert "store" not in register
    for _ in range(3):
        harness.members(OWN)
    assert len(logs(harness, "registered")) == 1
    harness.check(CheckResult.BAD)
    harness.members(OWN)
    assert len(logs(harness, "registered")) == 1, "not deleted yet"
    harness.check()
    harness.advance_answering(1)
    harness.members(OWN)
    assert len(logs(harness, "register")) == len(logs(harness, "registered")) == 2


def test_e5_an_announcement_without_effect_names_its_fault() -> None:
    harness = serving()
    assert "fault" not in logs(harness, "announce")[-1]
    harness.check(CheckResult.BAD)
    harness.read(established(up=False))
    harness.check()
    announced = logs(harness, "announce")[-1]
    assert (announced["reason"], announced["fault"]) == ("owner", "no-bgp")


def test_g3_a_conflict_is_logged_once_per_holder() -> None:
    harness = serving()
    for _ in range(3):
        harness.members(OWN, ours=())
        harness.check(CheckResult.BAD)
        harness.check()
    assert [entry["holder"] for entry in logs(harness, CONFLICT)] == [f"of {OWN}"]
    for _ in range(5):
        harness.members()
        harness.members(OWN, ours=())
    assert len(logs(harness, CONFLICT)) == 1, "it flaps"
    harness.members()
    harness.wait(CONFLICT_INTERVAL)
    harness.members(OWN, ours=())
    assert len(logs(harness, CONFLICT)) == 2


def test_g3_a_duplicate_agent_is_named_with_its_host() -> None:
    harness = serving()
    harness.members(OWN)
    duplicate = Entry(Registration("node1", "another run", "lb2").dump(), Claim.SAME_NODE)
    harness.give(inputs.SnapshotRead(Directory(Kind.MEMBERS, "apex"), {member_name(OWN): duplicate}))
    harness.wait(1)
    holder = "another agent named node1 (host lb2)"
    assert [entry["holder"] for entry in logs(harness, CONFLICT)] == [holder]
    assert harness.record is not None
    assert harness.record.explanations == {"conflict": f"{OWN} is registered by {holder}"}
    assert harness.record.detail == f"{OWN} is registered by {holder}"


def test_the_record_describes_only_the_first_conflicts() -> None:
    """A copied configuration makes a conflict of each VIP, and a large record is not read."""
    owned = tuple(f"10.1.0.{number}" for number in range(1, 201))
    harness = EngineHarness(served(owned=owned, owners=(owned, (THIRD,))))
    harness.start()
    harness.advance_answering(1)
    harness.store()
    harness.maintenance()
    harness.members(*owned, ours=())
    harness.check()
    harness.advance_answering(1)
    assert harness.record is not None
    assert harness.record.detail == harness.record.explanations["conflict"]
    assert len(harness.record.detail) <= MAX_TEXT, "readers truncate it"
    assert harness.record.detail.endswith("10.1.0.5 is registered by of 10.1.0.5 (and 195 more)")


def test_n10_a_wrong_local_as_is_logged_once() -> None:
    harness = serving(replace(served(), routes=RouteSettings(local_as=65009)))
    for _ in range(3):
        harness.read(established(OTHER_PEER), established(OTHER_PEER, up=False))
        harness.read(established(PEER, up=False), established(PEER))
        harness.advance_answering(5)
    found = [entry for entry in harness.logged if "local_as" in entry.fields]
    assert [(entry.level, entry.fields["local_as"]) for entry in found] == [(Level.WARNING, 65009)]
    assert found[0].fields["reason"] == "wrong-local-as"
