"""The generated parts of docs/ are complete and up to date."""

import pytest

from tests.docs.parts import PARTS
from tests.markdown import DOCS, Part
from vipagent.cli.catalog import commands
from vipagent.config.catalog import SERVICE_PATH, keys
from vipagent.web.metrics import METRICS

REFERENCE = DOCS / "reference"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.page.name}-{part.name}")
def test_a_generated_part_is_up_to_date(part: Part) -> None:
    assert part.shown() == PARTS[part](), "run python -m tests.docs"


def test_every_option_of_every_command_is_in_its_section() -> None:
    sections = (REFERENCE / "commands.md").read_text().split("\n## ")[1:]
    text_by_command = {section.partition("\n")[0]: section for section in sections}
    missing = [
        (command.name, option.names)
        for command in commands()
        for option in command.options
        if "--help" not in option.names and f"`{', '.join(option.names)}" not in text_by_command[command.name]
    ]
    assert missing == []


def test_every_key_is_in_a_table() -> None:
    page = (REFERENCE / "configuration.md").read_text()
    missing = [key.path for key in keys() if f"| `{key.path.removeprefix(f'{SERVICE_PATH}.')}` |" not in page]
    assert missing == []


def test_every_metric_is_in_a_table() -> None:
    page = (REFERENCE / "metrics.md").read_text()
    assert [metric.name for metric in METRICS if f"| `{metric.name}` |" not in page] == []
