"""Exactly the defined metrics are exposed."""

import re
from dataclasses import replace

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.unit.web.views import OTHERS, OWN, PEERS, TAKEN, VIPS, report, service, view
from vipagent import __version__
from vipagent.core.actions import Report, VipReport
from vipagent.telemetry.problems import ADVICE
from vipagent.telemetry.view import AgentView
from vipagent.types import CheckResult, CheckState, Reason, StoreState
from vipagent.web.exposition import Exposition
from vipagent.web.metrics import METRICS
from vipagent.web.samples import SAMPLES

UNITS = ("_seconds", "_total", "_info")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def render(agent_view: AgentView, accept: str = "") -> str:
    return Exposition(lambda: agent_view).render(accept)[1].decode()


def value(agent_view: AgentView, name: str, **labels: str) -> float | None:
    values = [
        sample.value
        for family in prometheus(render(agent_view))
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(values) < 2, values
    return values[0] if values else None


def test_samples_exist_for_exactly_the_defined_metrics() -> None:
    assert list(SAMPLES) == [metric.name for metric in METRICS]


def test_all_metrics_are_exposed_as_defined_with_those_of_the_process() -> None:
    families = {family.name: family for family in prometheus(render(view()))}
    own_names = {name for name in families if not name.startswith("process_")}
    assert own_names == {metric.name.removesuffix("_total") for metric in METRICS}
    assert "process_resident_memory_bytes" in families
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        assert {frozenset(sample.labels) - {"le"} for sample in family.samples} == {frozenset(metric.labels)}


def test_names_and_texts_follow_prometheus_conventions() -> None:
    for metric in METRICS:
        assert re.fullmatch(r"vipagent(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert metric.text.endswith(".")


def test_openmetrics_is_negotiated() -> None:
    content_type, body = Exposition(view).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in openmetrics(body.decode())}  # type: ignore[no-untyped-call]
    assert {"vipagent_takeovers", "vipagent_vip_state"} <= names


def test_metrics_of_a_serving_node() -> None:
    agent_view = view()
    assert value(agent_view, "vipagent_build_info", version=__version__, backend="memory", node="node1") == 1
    assert value(agent_view, "vipagent_vip_state", vip=OWN, reason="owner") == 1
    assert value(agent_view, "vipagent_vip_state", vip=OTHERS, reason="standby") == 1
    assert [value(agent_view, "vipagent_vip_announced", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [1, 1, 0]
    assert [value(agent_view, "vipagent_vip_owned", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [1, 0, 0]
    assert [value(agent_view, "vipagent_vip_registered", vip=vip) for vip in (OWN, TAKEN, OTHERS)] == [
        1,
        0,
        1,
    ]
    assert [value(agent_view, "vipagent_routes_announced", rank=rank) for rank in "012"] == [1, 1, None]
    assert value(agent_view, "vipagent_takeovers_total", service="apex") == 1
    assert value(agent_view, "vipagent_store_ignored_entries", service="apex") == 1
    assert value(agent_view, "vipagent_store_state", state="connected") == 1
    assert value(agent_view, "vipagent_bgp_neighbors_established") == 2
    assert value(agent_view, "vipagent_check_state", state="up") == 1
    assert value(agent_view, "vipagent_check_state", state="down") == 0


def test_histogram_buckets_are_cumulative() -> None:
    agent_view = view()
    for seconds in (0.004, 0.02, 99.0):
        agent_view.counters.reply_seconds.observe(seconds)
    name = "vipagent_exabgp_reply_duration_seconds"
    assert [value(agent_view, f"{name}_bucket", le=le) for le in ("0.005", "0.025", "5.0", "+Inf")] == [
        1,
        2,
        2,
        3,
    ]
    assert value(agent_view, f"{name}_count") == 3
    assert value(agent_view, f"{name}_sum") == pytest.approx(99.024)


def view_with_report(node_report: Report | None) -> AgentView:
    apex = service()
    return view(type(apex)(apex.name, node_report, apex.counters, apex.status))


def test_facts_about_a_vip() -> None:
    facts = ("requested", "accepted", "in_table", "announced", "local")

    def shown(seen: VipReport) -> list[float | None]:
        agent_view = view_with_report(report({OWN: seen}))
        return [value(agent_view, f"vipagent_vip_{fact}", vip=OWN) for fact in facts]

    assert shown(VIPS[OWN]) == [1, 1, 1, 1, 1]
    assert shown(VipReport(Reason.OWNER, 0, owned=True, accepted=True)) == [1, 1, None, 1, None]
    assert shown(VipReport(Reason.REFUSED, 0, owned=True, in_table=False)) == [1, 0, 0, 0, None]
    assert shown(VipReport(Reason.OWNER, 0, owned=True, accepted=True, in_table=False)) == [1, 1, 0, 0, None]
    assert shown(VipReport(Reason.STANDBY, None, owned=False, local=False)) == [0, 0, None, 0, 0]


def test_routes_that_exabgp_has_not_accepted_are_not_counted() -> None:
    agent_view = view_with_report(report({OWN: VipReport(Reason.REFUSED, 0, owned=True), TAKEN: VIPS[TAKEN]}))
    assert [value(agent_view, "vipagent_routes_announced", rank=rank) for rank in "01"] == [0, 1]


def test_states_of_the_neighbours() -> None:
    agent_view = view(peers=(PEERS[0], replace(PEERS[1], state="no-carrier")))
    name = "vipagent_bgp_neighbor_state"
    assert value(agent_view, name, neighbor="192.0.2.1", state="established") == 1
    assert value(agent_view, name, neighbor="192.0.2.2", state="no-carrier") == 1
    assert value(agent_view, name, neighbor="192.0.2.2", state="established") is None


def test_problems_are_counted_by_reason() -> None:
    down = tuple(replace(peer, state="down") for peer in PEERS)
    agent_view = view(peers=down, store=StoreState.LOST)
    counts = {reason: value(agent_view, "vipagent_problems", reason=reason) for reason in ADVICE}
    assert {reason: count for reason, count in counts.items() if count} == {
        "neighbor-down": 2,
        "store-lost": 1,
    }
    assert set(counts.values()) == {0, 1, 2}


def test_a_service_without_a_report_is_exposed() -> None:
    agent_view = view_with_report(None)
    assert value(agent_view, "vipagent_check_state", state="starting") == 1
    assert value(agent_view, "vipagent_check_results_total", result=CheckResult.GOOD) == 0
    assert value(agent_view, "vipagent_routes_announced", rank="0") == 0
    assert "vipagent_vip_state{" not in render(agent_view)


@pytest.mark.parametrize("reason", [Reason.DRAINING, Reason.MAINTENANCE_NODE])
def test_maintenance_of_this_node_is_exposed(reason: Reason) -> None:
    agent_view = view_with_report(report({OWN: VipReport(reason, None, owned=True)}, CheckState.UP))
    assert value(agent_view, "vipagent_maintenance", scope="node") == 1
    assert value(agent_view, "vipagent_maintenance", scope="service") == 0


def test_a_lost_store_is_exposed() -> None:
    agent_view = view(store=StoreState.LOST)
    states = ("connected", "unsure", "lost")
    assert [value(agent_view, "vipagent_store_state", state=state) for state in states] == [0, 0, 1]


def test_label_values_are_escaped() -> None:
    agent_view = view(service('a"b\n# HELP x'))
    assert value(agent_view, "vipagent_takeovers_total", service='a"b\n# HELP x') == 1
