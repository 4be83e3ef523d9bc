"""Content and effects of the package."""

import subprocess
from pathlib import Path

import pytest

from tests.deb.conftest import Built
from tests.deb.root import Root
from vipagent import __version__
from vipagent.cli.catalog import commands

pytestmark = pytest.mark.timeout(2400)  # the first test waits for its root
CHECKERS = ("lintian", "man-db", "mandoc")
MANUAL = Path("usr/share/man")


@pytest.fixture(scope="module")
def checked(built: Built) -> Built:
    """The package in a root with checkers."""
    built.root.run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *CHECKERS)
    return built


def test_lintian_finds_no_fault(checked: Built) -> None:
    (changes,) = checked.package.parent.glob("*.changes")
    command = ("lintian", "--fail-on", "error,warning", "--display-info", f"/srv/{changes.name}")
    print(checked.root.run(*command, user="nobody"))


def test_the_manual_is_shown_without_a_warning(checked: Built) -> None:
    root = checked.root.path
    pages = [*root.joinpath("srv/vipagent/debian/vipagent", MANUAL).glob("man?/*.gz")]
    names = {page.name for page in pages}
    assert names == {f"{c.name.replace(' ', '-')}.1.gz" for c in commands()} | {"vipagent.yaml.5.gz"}
    for page in pages:
        inside = f"/{page.relative_to(root)}"
        assert checked.root.run("mandoc", "-T", "lint", "-W", "warning", inside) == ""
        shown = checked.root.run("man", "--warnings", "--local-file", inside)
        assert "groff" not in shown
        assert page.name.split(".")[0] in shown
    run = next(page for page in pages if page.name == "vipagent-run.1.gz")
    assert "--takeover all|one|ranked" in checked.root.run("man", "-l", f"/{run.relative_to(root)}")


def test_it_is_the_program_of_the_checkout(installed: Root) -> None:
    assert installed.run("dpkg-query", "--show", "vipagent").split() == ["vipagent", __version__]
    assert installed.run("vipagent", "--version") == f"vipagent, version {__version__}\n"


def test_all_that_it_needs_comes_from_debian(installed: Root) -> None:
    listed = installed.run("vipagent", "backends")
    assert {line.split()[0]: line.split()[-1] for line in listed.splitlines() if "ready" in line} == {
        "etcd": "ready",
        "file": "ready",
        "zookeeper": "ready",
    }
    assert installed.run("exabgp", "--version").startswith("ExaBGP : 4.2.25")


def test_nothing_is_active_by_itself(installed: Root) -> None:
    files = installed.run("dpkg-query", "--listfiles", "vipagent").split()
    assert not [name for name in files if "systemd" in name or "init.d" in name]
    assert [name for name in files if name.startswith("/etc/vipagent/")] == [
        "/etc/vipagent/vipagent.yaml.example"
    ]
    conffiles = installed.run("dpkg-query", "--show", "--showformat=${Conffiles}", "vipagent")
    assert [line.split()[0] for line in conffiles.splitlines() if line] == [
        "/etc/vipagent/vipagent.yaml.example"
    ]
    assert "valid" in installed.run("vipagent", "check-config", "/etc/vipagent/vipagent.yaml.example")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("vipagent main", "maintenance"),
        ("vipagent maintenance o", "on off"),
        ("vipagent run --takeo", "--takeover"),
    ],
)
def test_bash_completes(installed: Root, typed: str, completed: str) -> None:
    script = f"""
        . /usr/share/bash-completion/completions/vipagent
        COMP_WORDS=({typed}); COMP_CWORD=$(({len(typed.split())} - 1))
        _vipagent_completion vipagent; echo "${{COMPREPLY[@]}}"; complete -p vipagent
    """
    first, second = installed.run("bash", "-euc", script).splitlines()
    assert sorted(first.split()) == sorted(completed.split())
    assert second.endswith("-F _vipagent_completion vipagent")


def test_the_demo_goes_well(installed: Root) -> None:
    print(installed.run("vipagent", "demo", "--steps"))


def test_an_older_debian_is_rejected_by_apt(built: Built) -> None:
    """Debian 12's pydantic is 1.10."""
    fields = ["dpkg-deb", "--field", str(built.package), "Depends"]
    needed = subprocess.run(fields, capture_output=True, text=True, check=True).stdout
    assert "python3-pydantic (>= 2" in needed


def test_purged_it_leaves_nothing(installed: Root, memory: Path) -> None:
    root = installed.copy(memory / "purged")
    files = root.run("dpkg-query", "--listfiles", "vipagent").split()
    own = [root.path / name[1:] for name in files if "vipagent" in name]
    assert root.path / "etc/vipagent/vipagent.yaml.example" in own
    own.append(root.path / "var/lib/vipagent")
    root.run("dpkg", "--purge", "vipagent")
    assert [str(path) for path in own if path.exists()] == []


def test_the_state_directory_belongs_to_exabgp_s_user(installed: Root) -> None:
    assert installed.run("stat", "--format=%U:%G %a", "/var/lib/vipagent") == "exabgp:exabgp 755\n"
