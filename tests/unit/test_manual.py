"""Manual pages: completeness and escaping."""

import re
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from vipagent.cli import manual
from vipagent.cli.catalog import commands
from vipagent.cli.main import cli
from vipagent.config.catalog import keys

EXAMPLE = "services:\n  apex:\n    check: 'http://127.0.0.1/'\n.hidden: \\n\n"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return manual.pages(EXAMPLE, "2026-01-31")


def test_each_command_has_a_page_with_all_options(pages: dict[str, str]) -> None:
    for command in commands():
        page = pages[f"{command.name.replace(' ', '-')}.1"]
        for name in [name for option in command.options for name in option.names]:
            shown = manual.bold(name)
            assert f".TP\n{shown}" in page or f", {shown}" in page, (command.name, name)
    assert set(pages) == {f"{command.name.replace(' ', '-')}.1" for command in commands()} | {
        "vipagent.yaml.5"
    }


def test_group_and_commands_refer_to_each_other(pages: dict[str, str]) -> None:
    assert r"\fBvipagent\-maintenance\-on\fR(1)" in pages["vipagent-maintenance.1"]
    assert (
        r"\fBvipagent\-maintenance\fR(1)" in pages["vipagent-maintenance-on.1"].partition(".SH SEE ALSO")[2]
    )
    assert r"maintenance\-on" not in pages["vipagent.1"]


def test_page_of_the_file_contains_all_keys(pages: dict[str, str]) -> None:
    tags = re.findall(r"^\.TP\n\\fB(\w+)\\fR$", pages["vipagent.yaml.5"], re.MULTILINE)
    assert sorted(tags) == sorted(key.path.rpartition(".")[2] for key in keys())
    assert ".SS services: NAME: roles: standby:" in pages["vipagent.yaml.5"]


def test_example_is_preformatted(pages: dict[str, str]) -> None:
    assert "    check: \\(aqhttp://127.0.0.1/\\(aq\n\\&.hidden: \\en\n.fi" in pages["vipagent.yaml.5"]


def test_text_cannot_contain_roff_requests() -> None:
    assert manual.wrapped("a " * 38 + "wide .so /etc/passwd") == "a " * 37 + "a\nwide .so /etc/passwd"
    assert manual.wrapped("x" * 77 + " .so") == "x" * 77 + "\n\\&.so"
    assert manual.verbatim("'so x\n.so x") == ".nf\n\\(aqso x\n\\&.so x\n.fi"


def test_literal_input_is_bold() -> None:
    assert manual.marked("see `vipagent run` or --no-such, a-b") == (
        r"see \fBvipagent run\fR or \fB\-\-no\-such\fR, a\-b"
    )


def test_paragraphs_with_click_s_mark_are_preformatted(pages: dict[str, str]) -> None:
    assert manual.paragraphs("one\ntwo\n\n\b\n  a\n  b") == "one two\n.PP\n.nf\n  a\n  b\n.fi"
    assert not [name for name, page in pages.items() if "\b" in page]


def test_pages_are_reproducible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    (tmp_path / "example").write_text(EXAMPLE)
    manual.main(str(tmp_path), str(tmp_path / "example"))
    assert (tmp_path / "vipagent.1").read_text().startswith('.TH "VIPAGENT" 1 1970-01-02 ')


def test_shell_completion_of_run_options() -> None:
    completing = BashComplete(cli, {}, "vipagent", "_VIPAGENT_COMPLETE")
    assert [item.value for item in completing.get_completions(["run"], "--take")] == ["--takeover"]
