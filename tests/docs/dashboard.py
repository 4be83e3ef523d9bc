"""The colors of the reason words on the Grafana dashboard, from the table of their severities."""

import json
from typing import Any

from tests.markdown import ROOT
from vipagent.types import SEVERITY_BY_REASON, Severity

DASHBOARD = ROOT / "conf" / "grafana-dashboard.json"
PANEL = "Why"
FIELD = "reason"
COLORS = {Severity.OK: "green", Severity.NOTICE: "yellow", Severity.FAULT: "red"}


def shown() -> str:
    """Return the dashboard as it is."""
    return DASHBOARD.read_text()


def generated() -> str:
    """Return the dashboard with the colors of all reason words."""
    dashboard = json.loads(shown())
    [panel] = [panel for panel in dashboard["panels"] if panel["title"] == PANEL]
    kept = [one for one in panel["fieldConfig"]["overrides"] if one["matcher"]["options"] != FIELD]
    panel["fieldConfig"]["overrides"] = [*kept, _override()]
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def _override() -> dict[str, Any]:
    colors = {str(reason): {"color": COLORS[severity]} for reason, severity in SEVERITY_BY_REASON.items()}
    return {
        "matcher": {"id": "byName", "options": FIELD},
        "properties": [
            {"id": "mappings", "value": [{"type": "value", "options": colors}]},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ],
    }
