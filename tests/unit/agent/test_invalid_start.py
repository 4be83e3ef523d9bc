"""`vipagent run` with an invalid configuration: status 2, one line per error, no output on stdout (E6)."""

import subprocess
import sys
from pathlib import Path

from tests.third_party import environment, install
from vipagent.testing.slowness import allowed

NOT_A_PREFIX = "is not a valid IP address or prefix (such as 192.0.2.1, 2001:db8::1, 192.0.2.0/24)"
RESERVED = "is reserved for the maintenance of a whole service: choose another node name"
BACKENDS = "installed: consul, etcd, file, zookeeper"


def run_with_errors(*arguments: str, site: Path | None = None) -> list[str]:
    """Run the agent with an invalid configuration, and return its error messages."""
    command = [sys.executable, "-m", "vipagent", "run", *arguments]
    completed = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
        env=environment(site) if site else None,
    )
    assert (completed.returncode, completed.stdout) == (2, "")
    return completed.stderr.splitlines()


def test_all_errors_of_a_command_line_are_reported() -> None:
    options = (
        "--service apex --node all --backend nosuch --auth-ip 10.0.0.1 --auth-ip 10.0.0.1/32 "
        "--vip 10.0.0.300 --prepend 2 --medd 100"
    )
    assert run_with_errors(*options.split(), "--community", "64500:1\nannounce") == [
        "command line: --medd: unknown option: did you mean --med?",
        f"command line: --node: 'all' {RESERVED}",
        f"command line: --backend: 'nosuch' is not a known backend; {BACKENDS}",
        f"command line: --vip: '10.0.0.300' {NOT_A_PREFIX}",
        r"command line: --community: '64500:1\nannounce' contains a control character",
        "command line: --auth-ip: '10.0.0.1' is listed twice",
        "command line: --prepend: 2 requires local_as, the AS number to prepend",
    ]


def test_all_errors_of_a_file_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "node: all\nbackend: nosuch\nhost: here\nservices:\n  apex:\n    auth_ip: [10.0.0.1, 10.0.0.1]\n"
        '    vip: [10.0.0.300]\n    prepend: 2\n    community: "64500:1\\r"\n'
    )
    assert run_with_errors("--config", str(path)) == [
        f"{path}: node: 'all' {RESERVED}",
        f"{path}: host: unknown key: did you mean hosts?",
        f"{path}: backend: 'nosuch' is not a known backend; {BACKENDS}",
        f"{path}: services.apex.vip[0]: '10.0.0.300' {NOT_A_PREFIX}",
        rf"{path}: services.apex.community: '64500:1\r' contains a control character",
        f"{path}: services.apex.auth_ip: '10.0.0.1' is listed twice",
        f"{path}: services.apex.prepend: 2 requires local_as, the AS number to prepend",
    ]


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    assert run_with_errors(f"--config={path}") == [f"{path}: cannot be read: No such file or directory"]


def test_a_missing_library_of_a_backend_is_reported_with_its_extra(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_redis.py").write_text("import no_such_client.api")
    install(site, "outside", {"redis": "outside_redis:Redis"}, extras=("redis",))
    options = "--backend redis --service apex --node node1 --auth-ip 10.0.0.1"
    assert run_with_errors(*options.split(), site=site) == [
        "command line: --backend: 'redis' needs the library no_such_client: "
        "install outside with its extra [redis]"
    ]
