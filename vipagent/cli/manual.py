"""The manual pages, made from the commands and the configuration's schema: one a command, one for the file.

    python -m vipagent.cli.manual DIRECTORY EXAMPLE      # vipagent.1, vipagent-run.1, ..., vipagent.yaml.5

EXAMPLE is a complete configuration, which the last page shows.
"""

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vipagent import __version__
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
WIDTH = 78
"""Columns of the source: longer lines are against the custom."""
VERBATIM = "\b"
"""Click's mark: the lines of a paragraph stay as they are."""
SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
)
"""Without these, what can be typed would be shown as what merely looks like it."""
INPUT = re.compile(r"`([^`]+)`|(?<![\w-])(--?[a-z][a-z-]*)")
"""What can be typed: in backquotes, or an option."""


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
        section("Synopsis", _synopsis(command)),
        section("Description", paragraphs(command.text)),
        section("Options", *map(_option, command.options)),
        *([section("Commands", *inner)] if inner else []),
        _see_also((_group(command), COMMANDS), (CONFIGURATION, FILES), ("exabgp", COMMANDS)),
    )


def _configuration(documented: Sequence[Key], example: str, date: str) -> str:
    sections: dict[str, list[Key]] = {}
    for key in documented:
        sections.setdefault(key.path.rpartition(".")[0], []).append(key)
    return _joined(
        _head(CONFIGURATION, FILES, date, "what a vipagent does, for which services"),
        section("Description", paragraphs(ABOUT)),
        section("Keys", *(_keys(above, inner) for above, inner in sections.items())),
        section("Example", verbatim(example)),
        _see_also(("vipagent", COMMANDS), ("vipagent-run", COMMANDS), ("vipagent-check-config", COMMANDS)),
    )


def _joined(*parts: str) -> str:
    return "\n".join(parts) + "\n"


def _head(page: str, number: int, date: str, summary: str) -> str:
    top = title(page, number, date, f"vipagent {__version__}", "vipagent")
    return "\n".join((top, section("Name", rf"{escaped(page)} \-", filled(summary))))


def _synopsis(command: Command) -> str:
    return f"{bold(command.name)} {italic(command.usage.removeprefix(command.name).strip())}"


def _option(option: CommandOption) -> str:
    names = ", ".join(map(bold, option.names))
    tag = f"{names} {italic(option.metavar)}" if option.metavar else names
    return tagged(tag, _with(option.text, option.default))


def _reference(command: Command) -> str:
    return tagged(f"{bold(_name(command))}({COMMANDS})", _first_paragraph(command))


def _keys(above: str, inner: Sequence[Key]) -> str:
    title = f"{above.replace('.', ': ')}:" if above else "Of the agent"
    return subsection(title, *map(_key, inner))


def _key(key: Key) -> str:
    default, option = (
        key.default and f"default: `{key.default}`",
        key.option and f"as an option: {key.option}",
    )
    facts = "; ".join(filter(None, (key.values, default, option)))
    return tagged(bold(key.path.rpartition(".")[2]), _with(key.text, facts))


def _with(text: str, facts: str) -> str:
    return f"{text} [{facts}]" if facts else text


def _see_also(*pages: tuple[str, int]) -> str:
    return section("See also", ",\n".join(f"{bold(page)}({number})" for page, number in pages if page))


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


def escaped(text: str) -> str:
    """Return text that is shown as it is."""
    return text.translate(SPECIAL)


def bold(text: str) -> str:
    """Return text in bold."""
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    """Return text in italics: what stands for something else."""
    return rf"\fI{escaped(text)}\fR"


def marked(text: str) -> str:
    """Return text with what can be typed in bold."""
    parts, at = [], 0
    for match in INPUT.finditer(text):
        parts += [escaped(text[at : match.start()]), bold(match[1] or match[2])]
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def filled(text: str) -> str:
    """Return marked text in lines; none of them is a request to roff."""
    lines = textwrap.wrap(marked(text), WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_harmless, lines))


def paragraphs(text: str) -> str:
    """Return paragraphs, those with click's mark line by line."""
    return "\n.PP\n".join(map(_paragraph, text.split("\n\n")))


def verbatim(text: str) -> str:
    """Return lines that stay as they are."""
    lines = "\n".join(_harmless(escaped(line)) for line in text.strip("\n").splitlines())
    return f".nf\n{lines}\n.fi"


def tagged(tag: str, text: str) -> str:
    """Return a paragraph under a tag, which is roff already."""
    return f".TP\n{_harmless(tag)}\n{filled(text)}"


def section(title: str, *content: str) -> str:
    """Return a section."""
    return "\n".join((f".SH {escaped(title.upper())}", *content))


def subsection(title: str, *content: str) -> str:
    """Return a section of a section."""
    return "\n".join((f".SS {escaped(title)}", *content))


def title(name: str, number: int, date: str, source: str, collection: str) -> str:
    """Return a page's first line."""
    return f'.TH "{escaped(name.upper())}" {number} {date} "{escaped(source)}" "{escaped(collection)}"'


def _paragraph(text: str) -> str:
    head, _, rest = text.partition("\n")
    return verbatim(rest) if head == VERBATIM else filled(text)


def _harmless(line: str) -> str:
    return rf"\&{line}" if line.startswith(".") else line


def main(directory: str, example: str) -> None:
    """Write the pages."""
    for name, page in pages(Path(example).read_text(), _date()).items():
        Path(directory, name).write_text(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
