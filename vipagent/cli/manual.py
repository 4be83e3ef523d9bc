"""Generate the manual pages of all commands and of the configuration file.

    python -m vipagent.cli.manual DIRECTORY EXAMPLE      # vipagent.1, vipagent-run.1, ..., vipagent.yaml.5

EXAMPLE is a complete configuration, shown on the page of the configuration file.
"""

import os
import re
import sys
import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from vipagent import __version__
from vipagent.cli.catalog import CommandInfo, CommandOption, commands
from vipagent.config.catalog import ConfigKey, keys

COMMANDS_SECTION, FILES_SECTION = 1, 5
"""Manual sections."""
CONFIGURATION = "vipagent.yaml"
ABOUT = """\
The configuration file of an agent, in YAML. All nodes of a service must use the same VIPs, `takeover`,
`standby` and `prefix`. To use an identical file on all nodes, map nodes to VIPs in `vip` and omit `node`,
which defaults to the host's name.

`vipagent run --config FILE` reads the file at its start and at each SIGHUP; after a failed reload it keeps
the current configuration. `vipagent check-config FILE` prints all problems of a file. The commands for
operators read the store's options from it. A command without `--config` and without store options reads the
file named by the environment variable VIPAGENT_CONFIG, else /etc/vipagent/vipagent.yaml.

In the following, NAME is the name of a service. A key that accepts a list also accepts a single value. The
options under `store` (credentials, TLS) depend on the backend and are described in stores.md."""
MAX_LINE_WIDTH = 78
"""Maximum line width of the source, in columns."""
VERBATIM = "\b"
"""Click's mark of a preformatted paragraph."""
SPECIAL = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}
)
"""Escapes of characters that roff would otherwise replace with typographic ones."""
INPUT = re.compile(r"`([^`]+)`|(?<![\w-])(--?[a-z][a-z-]*)")
"""Literal input: text in backquotes, or an option."""


def pages(example: str, date: str) -> dict[str, str]:
    """Return the pages by file name.

    Args:
        example: a complete configuration.
        date: the date of the pages, as `2026-01-31`.
    """
    described = commands()
    manual = {
        f"{_name(command)}.{COMMANDS_SECTION}": _command(command, described, date) for command in described
    }
    return manual | {f"{CONFIGURATION}.{FILES_SECTION}": _configuration(keys(), example, date)}


def _command(command: CommandInfo, described: Sequence[CommandInfo], date: str) -> str:
    inner = [_reference(other) for other in described if _group(other) == _name(command)]
    return _joined(
        _head(_name(command), COMMANDS_SECTION, date, _summary(command)),
        section("Synopsis", _synopsis(command)),
        section("Description", paragraphs(command.text)),
        section("Options", *map(_option, command.options)),
        *([section("Commands", *inner)] if inner else []),
        _see_also(
            (_group(command), COMMANDS_SECTION), (CONFIGURATION, FILES_SECTION), ("exabgp", COMMANDS_SECTION)
        ),
    )


def _configuration(documented: Sequence[ConfigKey], example: str, date: str) -> str:
    sections: dict[str, list[ConfigKey]] = {}
    for key in documented:
        sections.setdefault(key.path.rpartition(".")[0], []).append(key)
    return _joined(
        _head(CONFIGURATION, FILES_SECTION, date, "configuration file of vipagent"),
        section("Description", paragraphs(ABOUT)),
        section("Keys", *(_keys(above, inner) for above, inner in sections.items())),
        section("Example", verbatim(example)),
        _see_also(
            ("vipagent", COMMANDS_SECTION),
            ("vipagent-run", COMMANDS_SECTION),
            ("vipagent-check-config", COMMANDS_SECTION),
        ),
    )


def _joined(*parts: str) -> str:
    return "\n".join(parts) + "\n"


def _head(page: str, number: int, date: str, summary: str) -> str:
    top = title(page, number, date, f"vipagent {__version__}", "vipagent")
    return "\n".join((top, section("Name", rf"{escaped(page)} \-", wrapped(summary))))


def _synopsis(command: CommandInfo) -> str:
    return f"{bold(command.name)} {italic(command.usage.removeprefix(command.name).strip())}"


def _option(option: CommandOption) -> str:
    names = ", ".join(map(bold, option.names))
    tag = f"{names} {italic(option.metavar)}" if option.metavar else names
    return tagged(tag, _with(option.text, option.default))


def _reference(command: CommandInfo) -> str:
    return tagged(f"{bold(_name(command))}({COMMANDS_SECTION})", _first_paragraph(command))


def _keys(above: str, inner: Sequence[ConfigKey]) -> str:
    title = f"{above.replace('.', ': ')}:" if above else "Agent"
    return subsection(title, *map(_key, inner))


def _key(key: ConfigKey) -> str:
    default, option = (
        key.default and f"default: `{key.default}`",
        key.option and f"option: {key.option}",
    )
    facts = "; ".join(filter(None, (key.values, default, option)))
    return tagged(bold(key.path.rpartition(".")[2]), _with(key.text, facts))


def _with(text: str, facts: str) -> str:
    return f"{text} [{facts}]" if facts else text


def _see_also(*pages: tuple[str, int]) -> str:
    return section("See also", ",\n".join(f"{bold(page)}({number})" for page, number in pages if page))


def _name(command: CommandInfo) -> str:
    return command.name.replace(" ", "-")


def _group(command: CommandInfo) -> str:
    return _name(command).removesuffix(command.name.rpartition(" ")[2]).removesuffix("-")


def _first_paragraph(command: CommandInfo) -> str:
    return " ".join(command.text.partition("\n\n")[0].split())


def _summary(command: CommandInfo) -> str:
    return _first_paragraph(command).rstrip(".")


def _date() -> str:
    """Return the date from SOURCE_DATE_EPOCH, for reproducible builds, or today's date."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).date().isoformat()


def escaped(text: str) -> str:
    """Escape text for roff."""
    return text.translate(SPECIAL)


def bold(text: str) -> str:
    """Escape text and set it in bold."""
    return rf"\fB{escaped(text)}\fR"


def italic(text: str) -> str:
    """Escape text and set it in italics, for placeholders."""
    return rf"\fI{escaped(text)}\fR"


def marked(text: str) -> str:
    """Escape text and set literal input in bold."""
    parts, at = [], 0
    for match in INPUT.finditer(text):
        parts += [escaped(text[at : match.start()]), bold(match[1] or match[2])]
        at = match.end()
    return "".join([*parts, escaped(text[at:])])


def wrapped(text: str) -> str:
    """Wrap marked text into lines, none of which roff reads as a request."""
    lines = textwrap.wrap(marked(text), MAX_LINE_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_escape_request, lines))


def paragraphs(text: str) -> str:
    """Format paragraphs; those with click's mark keep their lines."""
    return "\n.PP\n".join(map(_paragraph, text.split("\n\n")))


def verbatim(text: str) -> str:
    """Format text as preformatted lines."""
    lines = "\n".join(_escape_request(escaped(line)) for line in text.strip("\n").splitlines())
    return f".nf\n{lines}\n.fi"


def tagged(tag: str, text: str) -> str:
    """Format a tagged paragraph; the tag is roff source."""
    return f".TP\n{_escape_request(tag)}\n{wrapped(text)}"


def section(title: str, *content: str) -> str:
    """Format a section."""
    return "\n".join((f".SH {escaped(title.upper())}", *content))


def subsection(title: str, *content: str) -> str:
    """Format a subsection."""
    return "\n".join((f".SS {escaped(title)}", *content))


def title(name: str, number: int, date: str, source: str, collection: str) -> str:
    """Return the title line of a page."""
    return f'.TH "{escaped(name.upper())}" {number} {date} "{escaped(source)}" "{escaped(collection)}"'


def _paragraph(text: str) -> str:
    head, _, rest = text.partition("\n")
    return verbatim(rest) if head == VERBATIM else wrapped(text)


def _escape_request(line: str) -> str:
    return rf"\&{line}" if line.startswith(".") else line


def main(directory: str, example: str) -> None:
    """Write the pages to a directory."""
    for name, page in pages(Path(example).read_text(), _date()).items():
        Path(directory, name).write_text(page)


if __name__ == "__main__":
    main(*sys.argv[1:])
