"""An import on the command line, and the resulting configuration."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.cli_helpers import vipagent
from vipagent.config.load import load_file
from vipagent.config.settings import AgentConfig


@dataclass(frozen=True, slots=True)
class Imported:
    """The new configuration."""

    text: str
    config: AgentConfig
    stderr: str
    """Output on stderr."""


@dataclass(frozen=True, slots=True)
class Importer:
    """Writes files, imports them, and checks the result."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    command: str

    def write(self, name: str, text: str) -> str:
        """Write a file; return its path."""
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def good(self, *arguments: str) -> Imported:
        """Import; the result must pass `check-config`."""
        self.capsys.readouterr()
        status = vipagent(self.command, *arguments)
        captured = self.capsys.readouterr()
        assert status == 0, captured.err
        made = self.write("agent.yaml", captured.out)
        assert vipagent("check-config", made) == 0, self.capsys.readouterr().err
        return Imported(captured.out, load_file(made), captured.err)

    def bad(self, *arguments: str) -> list[str]:
        """Run an import that must fail; return the problems without the folder."""
        self.capsys.readouterr()
        assert vipagent(self.command, *arguments) == 2
        captured = self.capsys.readouterr()
        assert captured.out == ""
        return captured.err.replace(f"{self.folder}/", "").splitlines()
