"""Detection of the parent process by /proc (E6)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vipagent.agent.parent import _is_exabgp
from vipagent.testing.slowness import allowed

ASK = "from vipagent.agent.parent import run_by_exabgp; print(run_by_exabgp())"


@pytest.mark.parametrize(
    "line",
    [
        "/usr/sbin/exabgp /etc/exabgp/exabgp.conf",
        "/usr/bin/python3 /usr/sbin/exabgp server /etc/exabgp/exabgp.conf",
        "python3.11 -u /opt/venv/bin/exabgp /etc/exabgp/exabgp.conf",
        "/usr/bin/python3 -m exabgp server /etc/exabgp/exabgp.conf",
        "/usr/bin/python3 /usr/lib/python3/dist-packages/exabgp/application/bgp.py x.conf",
    ],
)
def test_exabgp_is_recognized_however_it_was_started(line: str) -> None:
    assert _is_exabgp(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-bash",
        "/usr/bin/vi exabgp.conf",
        "vi exabgp",
        "sudo -u exabgp vipagent run --config agent.yaml",
        "su exabgp",
        "make -C exabgp test",
        "python3 -m pytest exabgp",
        "systemd",
    ],
)
def test_others_are_not(line: str) -> None:
    assert not _is_exabgp(line.split(" "))


@pytest.fixture
def exabgp(tmp_path: Path) -> Path:
    """A program of that name that runs the command in its arguments."""
    script = tmp_path / "exabgp"
    script.write_text("import subprocess, sys; subprocess.run(sys.argv[1:], check=True)\n")
    return script


def output(*command: str) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=allowed(30)
    ).stdout.strip()


def test_a_real_parent_is_seen(exabgp: Path) -> None:
    assert output(sys.executable, str(exabgp), sys.executable, "-c", ASK) == "True"
    assert output(sys.executable, "-c", ASK) == "False"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_in_between_does_not_hide_it(exabgp: Path, shell: str) -> None:
    path = shutil.which(shell)
    assert path
    command = f"{sys.executable} -c '{ASK}'; true"
    assert output(sys.executable, str(exabgp), path, "-c", command) == "True"
    assert output(path, "-c", command) == "False"
