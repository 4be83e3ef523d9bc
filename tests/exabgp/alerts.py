"""Which rules of conf/alerts.yml fire if the metrics stay as they are."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from vipagent.testing.slowness import allowed

RULES = Path(__file__).parents[2] / "conf" / "alerts.yml"
LONGER_THAN_ALL = 30
"""Minutes: longer than a rule waits, except for those that wait for a day."""
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
JOB = 'job="vipagent",instance="node1"'
FIRING = re.compile(r'alertname="(\w+)"')


def firing(metrics: str, directory: Path) -> set[str]:
    """Return the alerts that fire, by promtool.

    Args:
        metrics: the content of `/metrics`; empty if the agent does not answer.
        directory: directory for promtool's file.
    """
    series = [*_series(metrics), {"series": f"up{{{JOB}}}", "values": _constant(1 if metrics else 0)}]
    wanted = {"expr": 'ALERTS{alertstate="firing"}', "eval_time": f"{LONGER_THAN_ALL}m", "exp_samples": []}
    content = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [wanted]}],
    }
    file = directory / "firing.yml"
    file.write_text(yaml.safe_dump(content))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
    )
    if done.returncode == 0:
        return set()
    found = set(FIRING.findall(done.stdout + done.stderr))  # it reports the samples that differ from none
    assert found, done.stdout + done.stderr
    return found


def _series(metrics: str) -> Iterator[Mapping[str, str]]:
    for line in metrics.splitlines():
        if match := SAMPLE.match(line):
            name, labels, value = match.groups()
            joined = ",".join(filter(None, [labels, JOB]))
            yield {"series": f"{name}{{{joined}}}", "values": _constant(float(value))}


def _constant(value: float) -> str:
    return f"{value:g}+0x{LONGER_THAN_ALL + 1}"
