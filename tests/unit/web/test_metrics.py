"""Exactly the defined metrics are exposed."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.unit.web.views import OTHERS, OWN, TAKEN, report, service, view
from vipagent import __version__
from vipagent.core.actions import Report, VipReport
from vipagent.telemetry.view import AgentView
from vipagent.types import CheckResult, CheckState, Reason, StoreState
from vipagent.web.exposition import Exposition
from vipagent.web.metrics import METRICS
from vipagent.web.samples import SAMPLES

UNITS = ("_seconds", "_total", "_info")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def exposed(seen: AgentView, accept: str = "") -> str:
    return Exposition(lambda: seen).render(accept)[1].decode()


def value(seen: AgentView, name: str, **labels: str) -> float | None:
    found = [
        sample.value
        for family in prometheus(exposed(seen))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) < 2, found
    return found[0] if found else None


def test_each_metric_has_its_values_and_none_is_undefined() -> None:
    assert list(SAMPLES) == [metric.name for metric in METRICS]


def test_all_of_them_and_the_process_s_own_are_exposed_as_defined() -> None:
    families = {family.name: family for family in prometheus(exposed(view()))}
    ours = {name for name in families if not name.startswith("process_")}
    assert ours == {metric.name.removesuffix("_total") for metric in METRICS}
    assert "process_resident_memory_bytes" in families
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        assert {frozenset(sample.labels) - {"le"} for sample in family.samples} == {frozenset(metric.labels)}


def test_names_and_texts_are_as_prometheus_wants_them() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"vipagent(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert metric.text.endswith(".")


def test_a_scraper_may_prefer_openmetrics() -> None:
    content_type, body = Exposition(view).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(body.decode())}  # type: ignore[no-untyped-call]
    assert {"vipagent_takeovers", "vipagent_vip_state"} <= names


def test_what_this_node_does() -> None:
    seen = view()
    assert value(seen, "vipagent_build_info", version=__version__, backend="memory", node="node1") == 1
    assert value(seen, "vipagent_vip_state", vip=OWN, reason="owner") == 1
    assert value(seen, "vipagent_vip_state", vip=OTHERS, reason="standby") == 1
    assert [value(seen, "vipagent_vip_announced", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [1, 1, 0]
    assert [value(seen, "vipagent_vip_owned", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [1, 0, 0]
    assert [value(seen, "vipagent_vip_registered", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [1, 0, 1]
    assert [value(seen, "vipagent_routes_announced", rank=rank) for rank in "012"] == [1, 1, None]
    assert value(seen, "vipagent_takeovers_total", service="apex") == 1
    assert value(seen, "vipagent_store_ignored_entries", service="apex") == 1
    assert value(seen, "vipagent_store_state", state="connected") == 1
    assert value(seen, "vipagent_bgp_neighbors_established") == 2
    assert value(seen, "vipagent_check_state", state="up") == 1
    assert value(seen, "vipagent_check_state", state="down") == 0


def test_a_histogram_adds_up() -> None:
    seen = view()
    for seconds in (0.004, 0.02, 99.0):
        seen.counters.reply_seconds.observe(seconds)
    name = "vipagent_exabgp_reply_duration_seconds"
    assert [value(seen, f"{name}_bucket", le=le) for le in ("0.005", "0.025", "5.0", "+Inf")] == [1, 2, 2, 3]
    assert value(seen, f"{name}_count") == 3
    assert value(seen, f"{name}_sum") == pytest.approx(99.024)


def reported(given: Report | None) -> AgentView:
    apex = service()
    return view(type(apex)(apex.name, given, apex.counters, apex.status))


def test_a_service_that_has_not_decided_anything_is_there() -> None:
    seen = reported(None)
    assert value(seen, "vipagent_check_state", state="starting") == 1
    assert value(seen, "vipagent_check_results_total", result=CheckResult.GOOD) == 0
    assert value(seen, "vipagent_routes_announced", rank="0") == 0
    assert "vipagent_vip_state{" not in exposed(seen)


@pytest.mark.parametrize("reason", [Reason.DRAINING, Reason.MAINTENANCE_NODE])
def test_maintenance_of_this_node(reason: Reason) -> None:
    seen = reported(report({OWN: VipReport(reason, None, owned=True)}, CheckState.UP))
    assert value(seen, "vipagent_maintenance", scope="node") == 1
    assert value(seen, "vipagent_maintenance", scope="service") == 0


def test_a_lost_store() -> None:
    seen = view(store=StoreState.LOST)
    states = ("connected", "unsure", "lost")
    assert [value(seen, "vipagent_store_state", state=state) for state in states] == [0, 0, 1]


def test_what_is_in_a_label_stays_there() -> None:
    seen = view(service('a"b\n# HELP x'))
    assert value(seen, "vipagent_takeovers_total", service='a"b\n# HELP x') == 1
