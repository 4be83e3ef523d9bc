import sys
from pathlib import Path

import pytest

from tests.unit.cli_helpers import vipagent
from tests.unit.config_files import fake_backends

__all__ = ["fake_backends"]


@pytest.mark.usefixtures("fake_backends")
def test_valid_file_is_confirmed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "{node: node1, services: {apex: {auth_ip: 10.0.0.1, vip: 10.0.0.2}, web: {auth_ip: 10.0.1.1}}}"
    )
    assert vipagent("check-config", str(path)) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{path}: valid: node node1, backend file, apex (2 VIPs), web (1 VIP)\n"
    assert captured.err == ""


@pytest.mark.usefixtures("fake_backends")
def test_invalid_file_prints_one_line_per_problem_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text("{node: node1, backend: nosuch, services: {apex: {auth_ip: x, med: y}}}")
    assert vipagent("check-config", str(path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[1] for line in captured.err.splitlines()] == [
        "backend",
        "services.apex.auth_ip",
        "services.apex.med",
    ]


def test_demo_without_its_libraries_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vipagent.demo.demo", None)
    assert vipagent("demo", "--steps") == 2
    assert "install vipagent with its extra [demo]" in capsys.readouterr().err
