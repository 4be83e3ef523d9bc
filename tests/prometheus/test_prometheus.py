"""conf/alerts.yml and the queries of conf/grafana-dashboard.json, checked with promtool."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.unit.web.views import view
from vipagent.testing.slowness import allowed
from vipagent.web.exposition import Exposition
from vipagent.web.metrics import METRICS

DIRECTORY = Path(__file__).parent
CONF = DIRECTORY.parents[1] / "conf"
RULES = yaml.safe_load((CONF / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((CONF / "grafana-dashboard.json").read_text())
SERIES = {
    f"{metric.name}{suffix}"
    for metric in METRICS
    for suffix in (["_bucket", "_count", "_sum"] if metric.kind == "histogram" else [""])
}
LABELS = {metric.name: {*metric.labels, "job", "instance", "le"} for metric in METRICS}


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool, and return its output; fail on errors."""
    completed = subprocess.run(
        ["promtool", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def expressions() -> Iterator[str]:
    """Yield the queries of all rules and panels."""
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def test_promtool_accepts_the_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(CONF / "alerts.yml"))


def test_each_rule_fires_only_under_its_condition() -> None:
    promtool("test", "rules", str(DIRECTORY / "alerts.yml"))
    test_file = (DIRECTORY / "alerts.yml").read_text()
    assert [rule["alert"] for rule in RULES if rule["alert"] not in test_file] == []


def test_each_rule_has_severity_summary_and_description() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_all_queried_metrics_exist() -> None:
    for expression in expressions():
        assert set(re.findall(r"vipagent_\w+", expression)) <= SERIES, expression


def test_all_queried_labels_exist() -> None:
    for expression in expressions():
        for series, selector in re.findall(r"(vipagent_\w+)\{([^}]*)\}", expression):
            metric = re.sub("_(bucket|count|sum)$", "", series)
            assert set(re.findall(r"(\w+)=~?", selector)) <= LABELS[metric], expression


def test_dashboard_queries_are_valid_promql(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {
            "record": "panel",
            "expr": target["expr"].replace("$__rate_interval", "5m").replace("$service", ".*"),
        }
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", str(file))


def test_dashboard_panels_do_not_overlap() -> None:
    occupied: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        position = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert not cells & occupied, panel["title"]
        assert position["x"] + position["w"] <= 24
        occupied |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_promtool_accepts_the_exposed_metrics() -> None:
    body = Exposition(view).render("")[1].decode()
    assert promtool("check", "metrics", stdin=body) == ""
