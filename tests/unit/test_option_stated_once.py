"""An option is defined once: a single field adds it everywhere, and no default is duplicated."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.markdown import ROOT
from vipagent.config.catalog import keys
from vipagent.testing.slowness import allowed

TRIAL = """
    trial_delay: Annotated[Seconds, "Time of the trial, in seconds."] = 7.5
"""
"""Field of a new option."""
STATED_IN = "vipagent/core/settings.py"
USED_IN = "vipagent/core/service.py"
DOCUMENTED = """
import sys
from tests.docs import reference
from vipagent.config.catalog import keys
print(reference.keys(keys(), of_services=True))
"""
COMPLETED = """
from click.shell_completion import BashComplete
from vipagent.cli.main import cli
found = BashComplete(cli, {}, "vipagent", "_VIPAGENT_COMPLETE").get_completions(["run"], "--trial")
print([item.value for item in found])
"""
USED = """
import sys
from vipagent.config.load import load_file
from vipagent.core.service import trial
print(*(trial(service.core) for service in load_file(sys.argv[1]).services))
"""

NOTHING = {"", "None", "()", "False", "''"}
"""Empty defaults, which any name may have."""


class Trial:
    """A copy of the sources to modify."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for tree in ("vipagent", "tests/docs"):
            shutil.copytree(ROOT / tree, root / tree, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "tests/markdown.py", root / "tests")
        (root / "tests/__init__.py").touch()

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that occurs once in a file."""
        text = (self.root / file).read_text()
        assert text.count(old) == 1
        (self.root / file).write_text(text.replace(old, new))

    def changed(self) -> list[str]:
        """Return the modified source files, without generated ones."""
        files = (path.relative_to(self.root) for path in self.root.glob("vipagent/**/*.py"))
        return sorted(
            str(file) for file in files if (self.root / file).read_text() != (ROOT / file).read_text()
        )

    def run(self, *arguments: str) -> str:
        """Run Python and return stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "-P", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=allowed(60),
        )
        return done.stdout

    def configuration(self, lines: str) -> str:
        """Write a configuration with one service and return its path."""
        path = self.root / "agent.yaml"
        path.write_text(f"node: node1\nservices:\n  apex: {{auth_ip: 10.0.0.1, {lines}}}\n")
        return str(path)

    def manual(self) -> dict[str, str]:
        """Generate the manual pages and return them by file name."""
        assert self.run("-m", "vipagent.cli.manual", ".", str(ROOT / "conf/node1.yaml")) == ""
        return {name: (self.root / name).read_text() for name in ("vipagent-run.1", "vipagent.yaml.5")}


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def test_new_option_needs_only_a_field(trial: Trial) -> None:
    before = "    drain_delay: Annotated["
    trial.edit(STATED_IN, before, TRIAL.lstrip("\n") + before)
    use = "\n\ndef trial(settings: ServiceSettings) -> float:\n    return settings.trial_delay\n"
    (trial.root / USED_IN).write_text((trial.root / USED_IN).read_text() + use)

    helped = " ".join(trial.run("-m", "vipagent", "run", "--help").split())
    assert "--trial-delay SECONDS Time of the trial, in seconds. [default: 7.5]" in helped
    refused = trial.run("-m", "vipagent", "check-config", trial.configuration("trial_delay: -1"))
    assert "services.apex.trial_delay: '-1' is too small: minimum is 0" in refused
    meant = trial.run("-m", "vipagent", "check-config", trial.configuration("trial_dely: 1"))
    assert "services.apex.trial_dely: unknown key: did you mean trial_delay?" in meant
    row = "| `trial_delay` | number, 0 to 86400 | `7.5` | Time of the trial, in seconds. |"
    assert row in trial.run("-c", DOCUMENTED)
    pages = trial.manual()
    assert r"\fB\-\-trial\-delay\fR \fISECONDS\fR" in pages["vipagent-run.1"]
    assert r"\fBtrial_delay\fR" in pages["vipagent.yaml.5"]
    assert trial.run("-c", COMPLETED) == "['--trial-delay']\n"
    assert trial.run("-c", USED, trial.configuration("rise: 1")) == "7.5\n"
    assert trial.run("-c", USED, trial.configuration("trial_delay: 2")) == "2.0\n"
    assert trial.changed() == sorted([STATED_IN, USED_IN])


def test_default_is_defined_on_one_line(trial: Trial) -> None:
    stated = (trial.root / STATED_IN).read_text()
    [field] = re.findall(r"    release_delay: Annotated\[.*?\] = 2\.0\n", stated, re.DOTALL)
    trial.edit(STATED_IN, field, field.replace("= 2.0", "= 2.75"))

    shown = r"--release-delay SECONDS[^-]+\[default:\s+2\.75\]"
    assert re.search(shown, trial.run("-m", "vipagent", "run", "--help"))
    assert "| `release_delay` | number, 0 to 86400 | `2.75` |" in trial.run("-c", DOCUMENTED)
    assert all("2.75" in page for page in trial.manual().values())
    read = USED.replace("from vipagent.core.service import trial\n", "").replace(
        "trial(service.core)", "service.core.release_delay"
    )
    assert trial.run("-c", read, trial.configuration("rise: 1")) == "2.75\n"


def test_defaults_are_not_duplicated() -> None:
    """A field or parameter with an option's name and a default must be the option's field."""
    names = {key.path.rpartition(".")[2] for key in keys()}
    found = [default for default in _defaults() if default.name in names]
    assert [default for default in found if not default.is_option] == []
    assert [name for name, times in Counter(default.name for default in found).items() if times > 1] == []
    with_default = {key.path.rpartition(".")[2] for key in keys() if key.default not in {"", "false"}}
    assert {default.name for default in found} == with_default


@dataclass(frozen=True)
class Default:
    """A field or parameter with a non-empty default."""

    name: str
    file: str
    is_option: bool


def _defaults() -> Iterator[Default]:
    for top in ("vipagent", "backends"):
        for path in (ROOT / top).rglob("*.py"):
            for name, annotation, value in _assigned(ast.parse(path.read_text())):
                shown = ast.unparse(value) if value else ""
                if shown not in NOTHING and not shown.startswith("field(") and not shown.endswith("()"):
                    is_option = annotation is not None and ast.unparse(annotation).startswith("Annotated[")
                    yield Default(name, path.relative_to(ROOT).as_posix(), is_option)


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """Yield names, types and defaults of dataclass fields and parameters."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                for line in body:
                    match line:
                        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                            yield name, annotation, value
            case ast.arguments(posonlyargs=first, args=args, kwonlyargs=named):
                given = [*first, *args][len(first) + len(args) - len(node.defaults) :]
                for argument, value in zip(
                    [*given, *named], [*node.defaults, *node.kw_defaults], strict=True
                ):
                    yield argument.arg, argument.annotation, value
