"""conf/alerts.yml by promtool, and the queries of conf/grafana-dashboard.json: all the metrics exist."""

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

HERE = Path(__file__).parent
CONF = HERE.parents[1] / "conf"
RULES = yaml.safe_load((CONF / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((CONF / "grafana-dashboard.json").read_text())
SERIES = {
    f"{metric.name}{suffix}"
    for metric in METRICS
    for suffix in (["_bucket", "_count", "_sum"] if metric.kind == "histogram" else [""])
}
LABELS = {metric.name: {*metric.labels, "job", "instance", "le"} for metric in METRICS}


def promtool(*arguments: str, said: str = "") -> str:
    done = subprocess.run(
        ["promtool", *arguments], input=said, capture_output=True, text=True, check=False, timeout=allowed(60)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def test_the_rules_are_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(CONF / "alerts.yml"))


def test_each_rule_fires_when_it_should_and_none_when_all_is_well() -> None:
    promtool("test", "rules", str(HERE / "alerts.yml"))
    tested = (HERE / "alerts.yml").read_text()
    assert [rule["alert"] for rule in RULES if rule["alert"] not in tested] == []


def test_each_rule_says_what_is_wrong_and_how_bad_it_is() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_metric_that_is_asked_for_exists() -> None:
    for expression in expressions():
        assert set(re.findall(r"vipagent_\w+", expression)) <= SERIES, expression


def test_every_label_that_is_asked_for_exists() -> None:
    for expression in expressions():
        for series, selector in re.findall(r"(vipagent_\w+)\{([^}]*)\}", expression):
            metric = re.sub("_(bucket|count|sum)$", "", series)
            assert set(re.findall(r"(\w+)=~?", selector)) <= LABELS[metric], expression


def test_what_the_dashboard_asks_is_promql(tmp_path: Path) -> None:
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


def test_its_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_promtool_finds_nothing_to_say_about_what_is_exposed() -> None:
    body = Exposition(view).render("")[1].decode()
    assert promtool("check", "metrics", said=body) == ""
