"""`vipagent run` in a terminal with invalid options: status 2, one line per problem, no output (E6)."""

import subprocess
import sys
from pathlib import Path

from tests.outside import environment, install
from vipagent.testing.slowness import allowed

NO_VIP = "is not a valid IP address or prefix (such as 192.0.2.1, 2001:db8::1, 192.0.2.0/24)"
RESERVED = "is reserved for the maintenance of a whole service: choose another node name"
BACKENDS = "installed: consul, etcd, file, zookeeper"


def refused(*arguments: str, site: Path | None = None) -> list[str]:
    """Run the agent like an operator; return its error lines."""
    command = [sys.executable, "-m", "vipagent", "run", *arguments]
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(60),
        env=environment(site) if site else None,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr.splitlines()


def test_all_errors_of_a_command_line_are_reported() -> None:
    line = (
        "--service apex --node all --backend nosuch --auth-ip 10.0.0.1 --auth-ip 10.0.0.1/32 "
        "--vip 10.0.0.300 --prepend 2 --medd 100"
    )
    assert refused(*line.split(), "--community", "64500:1\nannounce") == [
        "command line: --medd: unknown option: did you mean --med?",
        f"command line: --node: 'all' {RESERVED}",
        f"command line: --backend: 'nosuch' is not a known backend; {BACKENDS}",
        f"command line: --vip: '10.0.0.300' {NO_VIP}",
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
    assert refused("--config", str(path)) == [
        f"{path}: node: 'all' {RESERVED}",
        f"{path}: host: unknown key: did you mean hosts?",
        f"{path}: backend: 'nosuch' is not a known backend; {BACKENDS}",
        f"{path}: services.apex.vip[0]: '10.0.0.300' {NO_VIP}",
        rf"{path}: services.apex.community: '64500:1\r' contains a control character",
        f"{path}: services.apex.auth_ip: '10.0.0.1' is listed twice",
        f"{path}: services.apex.prepend: 2 requires local_as, the AS number to prepend",
    ]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    assert refused(f"--config={path}") == [f"{path}: cannot be read: No such file or directory"]


def test_a_backend_whose_library_is_missing_names_the_extra_that_brings_it(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "outside_redis.py").write_text("import no_such_client.api")
    install(site, "outside", {"redis": "outside_redis:Redis"}, extras=("redis",))
    line = "--backend redis --service apex --node node1 --auth-ip 10.0.0.1"
    assert refused(*line.split(), site=site) == [
        "command line: --backend: 'redis' needs the library no_such_client: "
        "install outside with its extra [redis]"
    ]
