"""Lookup of the configuration file by the commands."""

from pathlib import Path

import pytest

from tests.unit.cli_helpers import Site, site, vipagent
from vipagent.cli import reader
from vipagent.cli import run as cli_run
from vipagent.config import lookup
from vipagent.config.problems import ConfigError

__all__ = ["site"]
COMMANDS = (
    ("status", "apex"),
    ("maintenance", "on", "apex"),
    ("maintenance", "off", "apex"),
    ("maintenance", "list", "apex"),
    ("backends", "--check"),
)


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The default path, which does not exist, with VIPAGENT_CONFIG unset."""
    monkeypatch.delenv("VIPAGENT_CONFIG", raising=False)
    monkeypatch.setattr(lookup, "DEFAULT_PATH", tmp_path / "etc" / "vipagent.yaml")
    return tmp_path / "etc" / "vipagent.yaml"


def write(path: Path, host: str) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{{node: n, hosts: ['{host}:1'], services: {{apex: {{auth_ip: 10.0.0.1}}}}}}")
    return str(path)


@pytest.mark.usefixtures("usual")
@pytest.mark.parametrize("command", COMMANDS)
def test_missing_configuration_is_reported_with_the_lookup_order(
    site: Site, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert vipagent(*command) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for word in ("$VIPAGENT_CONFIG", "/vipagent.yaml", "--config FILE", "--backend, --hosts"):
        assert word in captured.err
    assert not site.opened


@pytest.mark.parametrize("command", COMMANDS[:4])
def test_lookup_order_is_option_environment_default_path(
    site: Site,
    usual: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    def reached(*options: str) -> str:
        assert vipagent(*command, *options) == 0
        return site.opened[-1].settings.hosts[0]

    write(usual, "usual")
    assert reached() == "usual:1"
    monkeypatch.setenv("VIPAGENT_CONFIG", write(tmp_path / "named.yaml", "environment"))
    assert reached() == "environment:1"
    assert reached("--config", write(tmp_path / "given.yaml", "option")) == "option:1"
    assert reached("--hosts", "by-option:1") == "by-option:1", "the file is not read"
    monkeypatch.setenv("VIPAGENT_CONFIG", "")
    assert reached() == "usual:1"


@pytest.mark.usefixtures("usual")
def test_missing_file_from_the_environment_is_an_error(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIPAGENT_CONFIG", "/nowhere.yaml")
    assert vipagent("status", "apex") == 2
    assert "/nowhere.yaml: cannot be read" in capsys.readouterr().err
    assert not site.opened


@pytest.mark.usefixtures("usual")
@pytest.mark.parametrize("options", [("--prefix", "/x"), ("--session-timeout", "5")])
def test_options_without_a_store_are_rejected(
    site: Site, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert vipagent("status", "apex", *options) == 2
    assert "--backend and --hosts" in capsys.readouterr().err
    assert not site.opened


@pytest.mark.usefixtures("site")
def test_check_config_and_run_use_the_same_lookup(usual: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert vipagent("check-config") == 2
    assert "specify FILE" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="by options"):
        reader.read([])
    assert cli_run.source([]) == usual, "the agent waits for this file"
    write(usual, "usual")
    assert vipagent("check-config") == 0
    assert str(usual) in capsys.readouterr().out
    assert reader.read([]).store.hosts == ("usual:1",)
