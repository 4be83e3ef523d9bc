"""`python -m tests.rooted` provides a mount point as root in a plain chroot."""

import subprocess
from pathlib import Path

import pytest

from tests.deb.conftest import SOURCE, Built

pytestmark = pytest.mark.timeout(2400)  # the first test waits for its root
OWN = "unshare --mount mountpoint /"


def test_a_command_in_a_plain_chroot_has_separate_mounts_and_processes(built: Built) -> None:
    with pytest.raises(AssertionError, match="Invalid argument"):
        built.root.run("sh", "-ec", OWN)
    before = Path("/proc/self/mountinfo").read_text()
    script = f'cd /{SOURCE}; exec python3 -m tests.rooted sh -ec "pwd; echo \\$\\$; {OWN}"'
    assert built.root.run("sh", "-ec", script).splitlines() == [f"/{SOURCE}", "2", "/ is a mountpoint"]
    assert Path("/proc/self/mountinfo").read_text() == before


def test_where_the_root_is_a_mount_point_nothing_happens() -> None:
    command = ["python3", "-m", "tests.rooted", "sh", "-c", "readlink /proc/self/ns/mnt"]
    inside = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert inside.strip() == str(Path("/proc/self/ns/mnt").readlink())
