"""The manual pages, made from the commands and the configuration's schema: one a command, one for the file.

    python -m vipagent.cli.manual DIRECTORY EXAMPLE      # vipagent.1, vipagent-run.1, ..., vipagent.yaml.5

EXAMPLE is a complete configuration, which the last page shows.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vipagent import __version__
from vipagent.cli import roff
from vipagent.cli.catalog import Command, CommandOption, commands
from vipagent.config.catalog import Key, keys

COMMANDS, FILES = 1, 5
"""Sections of the manual."""
CONFIGURATION = "vipagent.yaml"
ABOUT = """\
The configuration of an agent, in YAML. What all nodes of a service share is the same in the file of each: its
VIPs, `takeover`, `standby`, `prefix`. A file that is the same everywhere names the VIPs by node, and leaves
`node` to the host's name.

`vipagent run --config FILE` reads it at its start and at each SIGHUP; a bad file changes nothing that is
announced. `vipagent check-config FILE` says all that is wrong with one. The commands for operators take it as
well: it says where the store is. A command without `--config`, and without options that say the same, reads
the file that the environment variable VIPAGENT_CONFIG names, else /etc/vipagent/vipagent.yaml.

Below, NAME is the name of a service. A key that takes a list takes a single value, too. What `store` may hold
(credentials, TLS) differs from store to store: stores.md, among the other documentation, has all of it."""


def pages(example: str, date: str) -> dict[str, str]:
    """Return each page by the name of its file.

    Args:
        example: a complete configuration.
        date: of the pages, as `2026-01-31`.
    """
    described = commands()
    manual = {f"{_name(command)}.{COMMANDS}": _command(command, described, date) for command in described}
    return manual | {f"{CONFIGURATION}.{FILES}": _configuration(keys(), example, date)}


def _command(command: Command, described: Sequence[Command], date: str) -> str:
    inner = [_reference(other) for other in described if _group(other) == _name(command)]
    return _joined(
        _head(_name(command), COMMANDS, date, _summary(command)),
        roff.section("Synopsis", _synopsis(command)),
        roff.section("Description", roff.paragraphs(command.text)),
        roff.section("Options", *map(_option, command.options)),
        *([roff.section("Commands", *inner)] if inner else []),
        _see_also((_group(command), COMMANDS), (CONFIGURATION, FILES), ("exabgp", COMMANDS)),
    )


def _configuration(documented: Sequence[Key], example: str, date: str) -> str:
    sections: dict[str, list[Key]] = {}
    for key in documented:
        sections.setdefault(key.path.rpartition(".")[0], []).append(key)
    return _joined(
        _head(CONFIGURATION, FILES, date, "what a vipagent does, for which services"),
        roff.section("Description", roff.paragraphs(ABOUT)),
        roff.section("Keys", *(_keys(above, inner) for above, inner in sections.items())),
        roff.section("Example", roff.verbatim(example)),
        _see_also(("vipagent", COMMANDS), ("vipagent-run", COMMANDS), ("vipagent-check-config", COMMANDS)),
    )


def _joined(*parts: str) -> str:
    return "\n".join(parts) + "\n"


def _head(page: str, number: int, date: str, summary: str) -> str:
    top = roff.title(page, number, date, f"vipagent {__version__}", "vipagent")
    return "\n".join((top, roff.section("Name", rf"{roff.escaped(page)} \-", roff.filled(summary))))


def _synopsis(command: Command) -> str:
    return f"{roff.bold(command.name)} {roff.italic(command.usage.removeprefix(command.name).strip())}"


def _option(option: CommandOption) -> str:
    names = ", ".join(map(roff.bold, option.names))
    tag = f"{names} {roff.italic(option.metavar)}" if option.metavar else names
    return roff.tagged(tag, _with(option.text, option.default))


def _reference(command: Command) -> str:
    return roff.tagged(f"{roff.bold(_name(command))}({COMMANDS})", _first_paragraph(command))


def _keys(above: str, inner: Sequence[Key]) -> str:
    title = f"{above.replace('.', ': ')}:" if above else "Of the agent"
    return roff.subsection(title, *map(_key, inner))


def _key(key: Key) -> str:
    default, option = (
        key.default and f"default: `{key.default}`",
        key.option and f"as an option: {key.option}",
    )
    facts = "; ".join(filter(None, (key.values, default, option)))
    return roff.tagged(roff.bold(key.path.rpartition(".")[2]), _with(key.text, facts))


def _with(text: str, facts: str) -> str:
    return f"{text} [{facts}]" if facts else text


def _see_also(*pages: tuple[str, int]) -> str:
    return roff.section(
        "See also", ",\n".join(f"{roff.bold(page)}({number})" for page, number in pages if page)
    )


def _name(command: Command) -> str:
    return command.name.replace(" ", "-")


def _group(command: Command) -> str:
    return _name(command).removesuffix(command.name.rpartition(" ")[2]).removesuffix("-")


def _first_paragraph(command: Command) -> str:
    return " ".join(command.text.partition("\n\n")[0].split())


def _summary(command: Command) -> str:
    return _first_paragraph(command).rstrip(".")


def _date() -> str:
    """Return today's date, or that of the source: the same source makes the same pages."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).date().isoformat()


def main(directory: str, example: str) -> None:
    """Write the pages."""
    for name, page in pages(Path(example).read_text(), _date()).items():
        Path(directory, name).write_text(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
