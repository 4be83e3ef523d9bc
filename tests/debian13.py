"""Run all tests on a minimal Debian 13 in a new chroot.

    python3 -m tests.debian13                     # as root; the chroot is removed at the end
    python3 -m tests.debian13 DIRECTORY [WORDS]   # the chroot is kept; WORDS are passed to tests/all

Tests a clone of the checked out commit. mmdebstrap creates the root from this machine's package mirror, and
pip is configured as on this machine.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.deb.root import ENVIRONMENT, Root

PROJECT = Path(__file__).parents[1]
CLONE = "/srv/vipagent"
CONFIGURATION = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/xdg/pip", "~/.config/pip", "~/.pip")
"""Configuration of network clients to copy, if it exists."""
PASSED = ("PIP_", "VIPAGENT_", "http")
"""Prefixes of the environment variables to pass on."""
CERTIFICATES = "/srv/pip-certificates.pem"
"""A path that no Debian package uses."""


def prepare(root: Root) -> dict[str, str]:
    """Copy the clone and the configuration into the root; return its environment."""
    place = root.path / CLONE[1:]
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(place)], check=True)
    for name in CONFIGURATION:
        source = Path(name).expanduser()
        target = root.path / name.replace("~", "root").lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.write_bytes(source.read_bytes())
    passed = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    if certificates := passed.get("PIP_CERT"):
        root.path.joinpath(CERTIFICATES[1:]).write_bytes(Path(certificates).read_bytes())
        passed["PIP_CERT"] = CERTIFICATES
    return ENVIRONMENT | passed


def run(directory: Path, words: Sequence[str]) -> int:
    """Run the tests in a root in this directory, and return their exit status."""
    root = Root(directory) if directory.joinpath("etc").exists() else Root.make(directory)
    environment = prepare(root)
    return subprocess.run(root.command(f"{CLONE}/tests/all", *words), env=environment, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
    with tempfile.TemporaryDirectory(prefix="vipagent-debian13-") as made:
        sys.exit(run(Path(made) / "root", ()))
