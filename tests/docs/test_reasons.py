"""Every place that lists reason words has all of them: alerts, dashboard, status page, drawing, reference."""

import re
from collections.abc import Mapping

import pytest
import yaml

from tests.docs import dashboard
from tests.markdown import DOCS, ROOT
from vipagent.telemetry.problems import ADVICE, Fault
from vipagent.telemetry.summary import ABSENT, NO_AGENT, PENDING, TROUBLES
from vipagent.types import RULE_BY_REASON, SEVERITY_BY_REASON, Reason, Severity
from vipagent.web.page import calm_states, load

ALERTS = (ROOT / "conf" / "alerts.yml").read_text()
DRAWING = (DOCS / "life-of-a-vip.svg").read_text()
REFERENCE = (DOCS / "reference" / "reasons.md").read_text()
FAULTS = {reason for reason, severity in SEVERITY_BY_REASON.items() if severity is Severity.FAULT}
ONE_VIP_ONLY = {
    *(Reason.OWNER, Reason.TAKEOVER, Reason.RELEASING, Reason.HOT_STANDBY, Reason.STANDBY, Reason.SETTLING),
    *(Reason.REMOVED, Reason.STORE_LOST, Reason.STORE_UNKNOWN),
}
"""Reasons of single VIPs, or that a node cannot publish: not the state of a node in `vipagent status`."""


def test_every_reason_has_a_rule() -> None:
    assert set(RULE_BY_REASON) == set(Reason), "RULE_BY_REASON in vipagent/types.py"


def test_every_reason_has_a_severity() -> None:
    assert set(SEVERITY_BY_REASON) == set(Reason), "SEVERITY_BY_REASON in vipagent/types.py"


def test_every_reason_is_the_state_of_a_node_or_of_single_vips() -> None:
    assert set(Reason) - set(TROUBLES) == ONE_VIP_ONLY, (
        "TROUBLES in vipagent/telemetry/summary.py, or ONE_VIP_ONLY in tests/docs/test_reasons.py"
    )


@pytest.mark.parametrize("reason", sorted(ADVICE))
def test_a_fault_has_an_alert(reason: str) -> None:
    assert [alert for alert, reported in _reported().items() if reason in reported], "conf/alerts.yml"


def test_an_alert_names_reasons_that_exist() -> None:
    reported = _reported()
    for rule in yaml.safe_load(ALERTS)["groups"][0]["rules"]:
        selectors = re.findall(r'reason=~?"([^"]*)"', rule["expr"])
        selected = {reason for selector in selectors for reason in selector.split("|")}
        assert selected <= reported.get(rule["alert"], set()), rule["alert"]
    assert set().union(*reported.values()) <= {*Reason, *Fault}


def test_every_fault_has_advice() -> None:
    assert set(ADVICE) == {*FAULTS, Reason.FLAP_HOLD, *Fault}, "ADVICE in vipagent/telemetry/problems.py"


def test_the_dashboard_colors_every_reason() -> None:
    assert dashboard.shown() == dashboard.generated(), "run python -m tests.docs"


def test_the_status_page_shows_no_notice_as_a_fault() -> None:
    notices = {reason for reason, severity in SEVERITY_BY_REASON.items() if severity is Severity.NOTICE}
    assert set(calm_states()) == {*notices, NO_AGENT, ABSENT, PENDING}
    page = load().html.decode()
    assert [state for state in calm_states() if f'"{state}"' not in page] == []


@pytest.mark.parametrize("reason", Reason)
def test_the_description_of_the_drawing_names_a_reason(reason: Reason) -> None:
    [description] = re.findall("<desc .*?</desc>", DRAWING)
    assert re.search(rf"(?<![\w-]){reason}(?![\w-])", description), "docs/life-of-a-vip.svg, <desc>"


@pytest.mark.parametrize("reason", TROUBLES)
def test_the_reference_lists_a_state_of_a_node(reason: Reason) -> None:
    section = REFERENCE.partition("\n## States of a node\n")[2].partition("\n## ")[0]
    assert f"`{reason}`" in section, "docs/reference/reasons.md, States of a node"


def _reported() -> Mapping[str, set[str]]:
    """Return the reasons that each alert reports, as its comment in the file has them."""
    found = re.findall(r"^ *- alert: (\w+)  # reason: (.+)$", ALERTS, re.MULTILINE)
    return {alert: set(reasons.split(", ")) for alert, reasons in found}
