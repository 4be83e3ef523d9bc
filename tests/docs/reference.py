"""Reference of commands, keys and metrics, generated from their catalogs."""

from collections.abc import Iterable, Mapping
from itertools import chain

from tests.markdown import code, table
from vipagent.cli.catalog import CommandInfo, CommandOption
from vipagent.config.catalog import SERVICE_PATH, ConfigKey
from vipagent.telemetry.problems import Advice
from vipagent.web.metrics import Metric

KEEP_LINES = "\b"
"""Click's mark of a preformatted paragraph."""
HELP = "--help"
ONLY_IN_A_FILE = " (File only.)"


def commands(described: Iterable[CommandInfo]) -> str:
    """Return a section for each command."""
    return "\n\n".join(_command(command) for command in described)


def keys(described: Iterable[ConfigKey], *, of_services: bool) -> str:
    """Return a table of the keys of a service, or of all others."""
    rows = (
        [code(_short(key)), key.values, code(key.default), key.text + ("" if key.option else ONLY_IN_A_FILE)]
        for key in described
        if key.path.startswith(f"{SERVICE_PATH}.") is of_services
    )
    return table(["key", "takes", "default", "meaning"], rows)


def metrics(described: Iterable[Metric]) -> str:
    """Return a table of all metrics."""
    rows = (
        [code(metric.name), metric.kind, ", ".join(map(code, metric.labels)), metric.text]
        for metric in described
    )
    return table(["metric", "kind", "labels", "meaning"], rows)


def problems(advice: Mapping[str, Advice]) -> str:
    """Return a table of all problems and what to do about them."""
    rows = ([what, code(str(reason)), do] for reason, (what, do) in advice.items())
    return table(["problem", "reason", "what to do"], rows)


def _command(command: CommandInfo) -> str:
    options = [option for option in command.options if HELP not in option.names]
    parts = [f"## {command.name}", f"```text\n{command.usage}\n```", *_paragraphs(command.text)]
    if options:
        parts.append(table(["option", "meaning", ""], map(_row, options)))
    return "\n\n".join(parts)


def _row(option: CommandOption) -> list[str]:
    declared = f"{', '.join(option.names)} {option.metavar}".strip()
    return [code(declared), option.text, option.default]


def _paragraphs(text: str) -> Iterable[str]:
    return chain.from_iterable(map(_paragraph, text.split("\n\n")))


def _paragraph(text: str) -> Iterable[str]:
    if text.startswith(KEEP_LINES):
        yield f"```text\n{text.removeprefix(KEEP_LINES).strip()}\n```"
    else:
        yield " ".join(text.split())


def _short(key: ConfigKey) -> str:
    return key.path.removeprefix(f"{SERVICE_PATH}.")
