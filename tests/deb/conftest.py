"""One package for all tests, and one new root with the package installed."""

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deb.root import Root

PROJECT = Path(__file__).parents[2]
SOURCE = Path("srv/vipagent")
"""Build directory; packages are created in its parent."""
CLONE_NEWNS = 0x20000


@dataclass(frozen=True, slots=True)
class Built:
    """The package and its build root."""

    root: Root
    package: Path


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in memory, at most 2 GB, because dpkg is slow on disks.

    It is mounted only for this process and its children, and disappears with them.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0, f"no mount namespace: errno {ctypes.get_errno()}; root is needed"
    place = tmp_path_factory.mktemp("deb")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "roots", str(place)], check=True)
    return place


@pytest.fixture(scope="session")
def fresh(memory: Path) -> Root:
    """A new Debian 13."""
    return Root.make(memory / "fresh")


@pytest.fixture(scope="session")
def built(fresh: Root, memory: Path) -> Built:
    """The package, built from the checkout."""
    root = fresh.copy(memory / "build")
    source = root.path / SOURCE
    _copy_source(source)
    root.run("apt-get", "build-dep", "--yes", "--quiet", "--no-install-recommends", f"/{SOURCE}")
    root.run("sh", "-ec", f"cd /{SOURCE}; dpkg-buildpackage --no-sign")
    (package,) = source.parent.glob("*.deb")
    return Built(root, package)


@pytest.fixture(scope="session")
def installed(fresh: Root, built: Built, memory: Path) -> Root:
    """Debian 13 with the package installed by apt."""
    root = fresh.copy(memory / "installed")
    place = root.path / "root" / built.package.name
    place.write_bytes(built.package.read_bytes())
    root.run("sh", "-ec", f"cd /root; apt-get install --yes --quiet ./{place.name}")
    return root


def _copy_source(place: Path) -> None:
    """Copy all files that are tracked or not ignored by git."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, check=True).stdout.decode().split("\0")
    for source in (PROJECT / name for name in names if name):
        if source.exists():
            target = place / source.relative_to(PROJECT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
