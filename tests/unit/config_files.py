"""Helpers that read configuration files with a fake backend."""

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from vipagent.config import load
from vipagent.config.problems import ConfigError
from vipagent.config.settings import AgentConfig, ServiceConfig
from vipagent.store.backend import Listener, StoreConfigError, StoreSettings
from vipagent.testing.memory import MemoryBackend, MemoryStore


class FakeBackend(MemoryBackend):
    """A backend with one option, `level`, an integer."""

    def __init__(self, settings: StoreSettings, listener: Listener) -> None:
        super().__init__(settings, listener, MemoryStore())
        for key, value in settings.options.items():
            if key != "level" or type(value) is not int:
                raise StoreConfigError(f"{key}: {value!r} is not a level")


@pytest.fixture
def fake_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every backend with `FakeBackend`, except `nosuch`, which does not exist."""

    def find(name: str) -> type[FakeBackend]:
        if name == "nosuch":
            raise StoreConfigError("is not a known backend; installed: file")
        return FakeBackend

    monkeypatch.setattr(load, "load", find)


def read(folder: Path, text: str) -> AgentConfig:
    """Write a configuration file and load it."""
    path = folder / "agent.yaml"
    path.write_text(dedent(text))
    return load.load_file(path)


def service(folder: Path, text: str) -> ServiceConfig:
    """Load a configuration with one service on node1; `text` is the content of the service's section."""
    indented = "".join(f"    {line}\n" for line in dedent(text).strip("\n").splitlines())
    return read(folder, f"node: node1\nservices:\n  apex:\n{indented}").services[0]


def refusal(call: Any, *arguments: Any) -> list[str]:
    """Return the problems raised by the call, without the file's directory."""
    with pytest.raises(ConfigError) as refused:
        call(*arguments)
    for problem in refused.value.problems:
        assert "\n" not in str(problem)
    return [str(problem).rpartition("/agent.yaml: ")[2] or str(problem) for problem in refused.value.problems]
