"""Programs of Debian 11's packages, unpacked without installation.

    python -m tests.servers.debian11 consul      # fetches the package if needed, prints its path

Uses the Debian mirror of the machine's apt configuration. apt's lists and settings are not changed;
signatures are verified.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SUITE = "bullseye"


def unpacked(package: str) -> Path:
    """Return the directory of the package's files; fetch them if needed."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "vipagent-tests" / f"{package}-{SUITE}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            _fetch(package, Path(work))
            try:
                Path(work, "root").rename(place)
            except OSError:
                assert place.exists(), f"cannot create {place}"  # otherwise another test run was faster
    return place


def _fetch(package: str, work: Path) -> None:
    """Download the newest version in the suite, and unpack it in `work`/root."""
    sources = work / "sources.list"
    sources.write_text(f"deb {mirror()} {SUITE} main\n")
    for name in ("lists", "cache"):
        (work / name).mkdir()
    apt = [
        "apt-get",
        "--option=Dir::Etc::SourceParts=-",
        "--option=APT::Sandbox::User=",
        f"--option=Dir::Etc::SourceList={sources}",
        f"--option=Dir::State::Lists={work / 'lists'}",
        f"--option=Dir::Cache={work / 'cache'}",
    ]
    _run([*apt, "update"], work)
    _run([*apt, "download", package], work)
    (archive,) = work.glob("*.deb")
    _run(["dpkg-deb", "--extract", str(archive), str(work / "root")], work)


def mirror() -> str:
    """Return the URL of the machine's Debian archive."""
    form = "$(CREATED_BY) $(ORIGIN) $(CODENAME) $(REPO_URI)"
    for line in _run(["apt-get", "indextargets", "--format", form], Path.cwd()).splitlines():
        index, origin, codename, address = line.split(" ", 3)
        if index == "Packages" and origin == "Debian" and "-" not in codename:  # neither updates nor security
            return address
    raise AssertionError("apt has no Debian archive: `apt-get update` first, on a Debian machine")


def _run(command: Sequence[str], directory: Path) -> str:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(unpacked(name))
