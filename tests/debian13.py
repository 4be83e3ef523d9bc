"""All the tests on a bare Debian 13, which is made for them and entered by a plain chroot.

    python3 -m tests.debian13                     # as root; the root is removed in the end
    python3 -m tests.debian13 DIRECTORY [WORDS]   # it stays there; the words are for tests/all

What is tested is a clone of the commit that is checked out. The packages come from this machine's mirror
(mmdebstrap makes the root), and pip is configured in there as it is here.
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
"""What clients of the network need, as far as this machine has it."""
PASSED = ("PIP_", "VIPAGENT_", "http")
"""What the variables of the environment begin with that are passed on."""
CERTIFICATES = "/srv/pip-certificates.pem"
"""Not where Debian's own package would replace them."""


def prepare(root: Root) -> dict[str, str]:
    """Put the clone and the configuration in; return the environment to run in."""
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
    """Run the tests in a root in this directory, and return their status."""
    root = Root(directory) if directory.joinpath("etc").exists() else Root.make(directory)
    environment = prepare(root)
    return subprocess.run(root.command(f"{CLONE}/tests/all", *words), env=environment, check=False).returncode


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
    with tempfile.TemporaryDirectory(prefix="vipagent-debian13-") as made:
        sys.exit(run(Path(made) / "root", ()))
