"""Run all tests in a minimal Debian 13, in a plain chroot that is created for them.

    python3 -m tests.debian13                     # as root; the directory is removed afterwards
    python3 -m tests.debian13 DIRECTORY [ARGUMENTS]   # keep the directory; arguments of tests/all

It tests a clone of the checked out commit. mmdebstrap creates the directory from this machine's mirror, and
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
CONFIGURATION_FILES = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/xdg/pip", "~/.config/pip", "~/.pip")
"""Files of network settings that are copied, if they exist."""
ENVIRONMENT_PREFIXES = ("PIP_", "VIPAGENT_", "http")
"""Prefixes of environment variables that are passed to the tests."""
PIP_CERTIFICATES = "/srv/pip-certificates.pem"
"""Outside of the directories in which Debian's packages replace files."""


def prepare(root: Root) -> dict[str, str]:
    """Copy clone and configuration into the root; return the environment of the tests."""
    clone = root.path / CLONE[1:]
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(clone)], check=True)
    for name in CONFIGURATION_FILES:
        source = Path(name).expanduser()
        target = root.path / name.replace("~", "root").lstrip("/")
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.exists():
            target.write_bytes(source.read_bytes())
    variables = {name: value for name, value in os.environ.items() if name.startswith(ENVIRONMENT_PREFIXES)}
    if certificates := variables.get("PIP_CERT"):
        root.path.joinpath(PIP_CERTIFICATES[1:]).write_bytes(Path(certificates).read_bytes())
        variables["PIP_CERT"] = PIP_CERTIFICATES
    return ENVIRONMENT | variables


def run(directory: Path, arguments: Sequence[str]) -> int:
    """Run the tests in a root in this directory, and return their exit status."""
    root = Root(directory) if directory.joinpath("etc").exists() else Root.make(directory)
    environment = prepare(root)
    return subprocess.run(
        root.command(f"{CLONE}/tests/all", *arguments), env=environment, check=False
    ).returncode


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
    with tempfile.TemporaryDirectory(prefix="vipagent-debian13-") as directory:
        sys.exit(run(Path(directory) / "root", ()))
