"""The generated parts of docs/, and their generators."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from tests.benchmark.stores.options import KINDS, options
from tests.docs import reference
from tests.exabgp import misconfigurations
from tests.markdown import DOCS, ROOT, Part
from vipagent.cli.catalog import commands
from vipagent.config.catalog import keys
from vipagent.telemetry.problems import ADVICE
from vipagent.web.metrics import METRICS

CONF = ROOT / "conf"
START = DOCS / "getting-started.md"
REFERENCE = DOCS / "reference"


def _example(file: Path, language: str) -> str:
    return f"```{language}\n{file.read_text().strip()}\n```"


PARTS: Mapping[Part, Callable[[], str]] = {
    Part(START, "node1.yaml"): partial(_example, CONF / "node1.yaml", "yaml"),
    Part(START, "exabgp-node1.conf"): partial(_example, CONF / "exabgp-node1.conf", "text"),
    Part(REFERENCE / "commands.md", "commands"): lambda: reference.commands(commands()),
    Part(REFERENCE / "configuration.md", "agent"): partial(reference.keys, keys(), of_services=False),
    Part(REFERENCE / "configuration.md", "service"): partial(reference.keys, keys(), of_services=True),
    Part(REFERENCE / "metrics.md", "metrics"): partial(reference.metrics, METRICS),
    Part(REFERENCE / "reasons.md", "problems"): partial(reference.problems, ADVICE),
    Part(DOCS / "operations" / "misconfiguration.md", "misconfigurations"): misconfigurations.documented,
    **{Part(DOCS / "stores.md", f"options {group}"): partial(options, group) for group in KINDS},
}
