"""Configurations for tests: read with a backend that needs no library."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from vipagent.config import load
from vipagent.config.problems import ConfigError
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.store.backend import Listener, StoreConfigError, StoreSettings
from vipagent.testing.memory import MemoryBackend, MemoryStore


class Pretended(MemoryBackend):
    """A backend with one option, `level`, which has to be a number."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener, MemoryStore())
        for key, value in settings.options.items():
            if key != "level" or type(value) is not int:
                raise StoreConfigError(f"{key}: {value!r} is no level")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every backend be `Pretended`, but `nosuch`, which does not exist."""

    def find(name: str) -> type[Pretended]:
        if name == "nosuch":
            raise StoreConfigError("is not a known backend; installed: file")
        return Pretended

    monkeypatch.setattr(load, "load", find)


def read(folder: Path, text: str) -> AgentConfig:
    """Read a file with this text."""
    path = folder / "agent.yaml"
    path.write_text(dedent(text))
    return load.load_file(path)


def service(folder: Path, text: str) -> ServiceConfig:
    """Read a file that has one service on node1; `text` is the service's lines."""
    indented = "".join(f"    {line}\n" for line in dedent(text).strip("\n").splitlines())
    return read(folder, f"node: node1\nservices:\n  apex:\n{indented}").services[0]


def refusal(call: Any, *arguments: Any) -> list[str]:
    """Return the problems that come out, without the file's folder."""
    with pytest.raises(ConfigError) as refused:
        call(*arguments)
    for problem in refused.value.problems:
        assert "\n" not in str(problem)
    return [str(problem).rpartition("/agent.yaml: ")[2] or str(problem) for problem in refused.value.problems]
