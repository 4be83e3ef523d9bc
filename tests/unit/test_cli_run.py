import asyncio
import io
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from tests.unit.config_files import fake_backends, refusal
from vipagent.cli import reader
from vipagent.cli import run as cli_run
from vipagent.cli.main import cli
from vipagent.cli.options import given
from vipagent.config.catalog import SERVICE_PATH, keys
from vipagent.config.problems import ConfigError
from vipagent.config.settings import AgentConfig
from vipagent.testing.slowness import allowed

__all__ = ["fake_backends"]

OPTIONS = """
    --config --service --node --backend --hosts --prefix --session-timeout --auth-ip --vip
    --takeover --standby --med --med-step --prepend --local-as --next-hop --community
    --large-community --extended-community --local-preference --local-preference-step --path-id --neighbor
    --on-store-loss --start-grace --settle --release-delay --drain-delay --require-bgp
    -c --command --check --check-verify -i
    --interval -f --fast-interval -t --timeout --rise --fall --disable --execute --up-execute
    --down-execute --disabled-execute --ip-setup --log-level --log-format --syslog-facility
    --watchdog --listen --state-directory
"""


def vipagent(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vipagent", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=allowed(60)
    )


def load(arguments: Sequence[str]) -> AgentConfig:
    return asyncio.run(cli_run.load(arguments))


def test_options_match_the_schema_and_healthcheck() -> None:
    there = {name for option in reader.command.params for name in option.opts}
    assert there == set(OPTIONS.split())


def test_all_keys_and_options_have_a_description() -> None:
    for key in keys():
        assert key.text.endswith("."), key.path
    for option in reader.command.params:
        assert isinstance(option, click.Option)
        assert option.help


def test_keys_without_an_option() -> None:
    unmarked = {
        key.path.removeprefix(f"{SERVICE_PATH}.").partition(".")[0] for key in keys() if not key.option
    }
    assert unmarked == {"store", "services", "roles", "flap_hold"}


@pytest.mark.usefixtures("fake_backends")
def test_options_are_passed_to_the_validation() -> None:
    line = "--service apex --node node1 --auth-ip 10.0.0.1 --vip 10.0.0.2 --vip=10.0.0.3 -i 2 -f.5 --ip-setup"
    config = reader.read([*line.split(), "-c", "test -e /x"])
    (apex,) = config.services
    assert apex.core.pool == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert (apex.check.command, apex.check.interval, apex.check.fast_interval) == ("test -e /x", 2, 0.5)
    assert apex.ip_setup


def test_missing_options_get_defaults_from_the_schema() -> None:
    with reader.command.make_context("run", ["--med", "0", "--vip", ""]) as context:
        assert given(context.params) == {"med": "0", "vip": ("",)}


@pytest.mark.usefixtures("fake_backends")
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--aut-ip=10.0.0.1", "command line: --aut-ip: unknown option: did you mean --auth-ip?"),
        ("-xh", "command line: -xh: unknown option: see vipagent run --help"),
        ("--vip", "command line: Option '--vip' requires an argument"),
        (
            "--config a.yaml --med 1 --vip 10.0.0.1",
            "command line: --config: cannot be combined with --med, --vip: remove",
        ),
        ("stray", "command line: 'stray' is an unexpected argument: see"),
        ("--service apex --med x --node node1", "command line: --med: 'x' is not an integer"),
        ("--config /nowhere/a.yaml", "/nowhere/a.yaml: cannot be read: No such file or directory"),
    ],
)
def test_invalid_command_line_is_a_configuration_error(line: str, problem: str) -> None:
    assert refusal(reader.read, line.split())[0].startswith(problem)


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("--config /a.yaml", Path("/a.yaml")),
        ("--config=/a.yaml", Path("/a.yaml")),
        ("--med 1 --config a", Path("a")),
        ("--config", None),
        ("--med 1", None),
        ("", Path("/etc/vipagent/vipagent.yaml")),
    ],
)
def test_path_of_the_watched_file(line: str, source: Path | None) -> None:
    assert cli_run.source(line.split()) == source


def test_child_returns_the_configuration(tmp_path: Path) -> None:
    """The real child process, with a real backend, reads the file at each call."""
    path = tmp_path / "agent.yaml"
    path.write_text("{node: node1, backend: zookeeper, services: {apex: {auth_ip: 10.0.0.1}}}")
    arguments = ["--config", str(path)]
    try:
        config = load(arguments)
    except ConfigError as error:
        assert "install vipagent with its extra [zookeeper]" in str(error)  # noqa: PT017 - where only the core is installed
    else:
        assert config.services[0].core.owned == ("10.0.0.1",)
    path.write_text("{node: all, backend: nosuch}")
    with pytest.raises(ConfigError) as refused:
        load(arguments)
    assert [problem.key for problem in refused.value.problems] == ["node", "backend", "services"]


def test_failed_child_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (line,) = refusal(load, [])
    assert line.startswith("configuration: cannot be read: ")
    assert "No such file" in line
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert "exited with status 1" in refusal(load, [])[0]
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(cli_run, "READER_TIMEOUT", 0.1)
    assert "timed out after 0.1 s" in refusal(load, [])[0]


def test_output_of_a_plugin_does_not_corrupt_the_configuration() -> None:
    script = (
        "import sys, pickle\nfrom vipagent.cli import reader\n"
        "def talk(arguments):\n    print('hello')\n    raise reader.ConfigError([])\n"
        "reader.read = talk\nreader.main()"
    )
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, timeout=allowed(60)
    )
    assert pickle.load(io.BytesIO(child.stdout)) == ()
    assert child.stderr == b"hello\n"


@pytest.mark.parametrize("line", ["--bogus 1", "--service apex --auth-ip 10.0.0.1/8", "--config /nowhere"])
def test_invalid_command_line_in_a_terminal_exits_2_with_a_message(line: str) -> None:
    ended = vipagent("run", *line.split())
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) >= 1


def test_help_and_version() -> None:
    assert "--auth-ip IP" in vipagent("run", "--help").stdout
    overview = vipagent("--help").stdout
    for name in ("run", "maintenance", "status", "check-config", "backends", "demo"):
        assert name in overview
    assert vipagent("--version").stdout.startswith("vipagent, version ")
    assert vipagent("rum").returncode == 2


def test_agent_process_does_not_import_validation_libraries() -> None:
    script = "import sys, vipagent.cli.run; print({'pydantic', 'yaml', 'rich'} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=allowed(60)
    )
    assert printed.stdout == "set()\n"


def test_agent_receives_unparsed_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(cli_run, "run", lambda load, source: calls.append((load.args, source)))
    cli.main(["run", "--config", "/a.yaml", "-x", "--", "y"], standalone_mode=False)
    assert calls == [((("--config", "/a.yaml", "-x", "--", "y"),), Path("/a.yaml"))]
