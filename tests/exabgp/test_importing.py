"""`import-healthcheck` parses `exabgp.conf` like ExaBGP 4.2 and 5, verified by running both."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exabgp.lab import agent
from tests.servers import bird
from tests.servers.bird import Peer
from tests.servers.exabgp import VERSIONS, Settings, environment, executable
from tests.servers.process import Process, free_port, wait_for
from vipagent.config.load import load_file

ADDRESS = "127.0.0.21"
EXABGP_TIMEOUT = 60.0
RECORDER = f"""#!{sys.executable}
import json, sys
from pathlib import Path
arguments_file = Path(sys.argv[0]).with_name("arguments")
arguments_file.with_suffix(".new").write_text(json.dumps(sys.argv[1:]))
arguments_file.with_suffix(".new").rename(arguments_file)
sys.stdin.read()
"""
"""A program that writes its arguments to a file."""
VALID = {
    "two run lines": 'run {0} --ip 10.0.0.1 --command "first";\n run {0} --ip 10.0.0.1 --command "second";',
    "run in a comment": 'run {0} --ip 10.0.0.1 --command "first"; # run {0} --command "no";\n# run x;',
    "special characters in quotes": 'run {0} --ip 10.0.0.1 --command "a; b {{c}} # d";',
    "escapes": r'run {0} --ip 10.0.0.1 --command "grep \\. a\tb";',
    "a continued line": 'run {0} --ip 10.0.0.1 \\\n --command "first \\\nline";',
    "commas": "run {0} --ip 10.0.0.1 --command first,second;",
    "quotes within a word": 'run {0} --ip 10.0.0.1 --command=a"b c";',
}
INVALID = {
    "a statement over two lines": "process web {{\n run {0}\n --ip 10.0.0.1;\n encoder text;\n}}\n",
    "quotes in quotes": "process web {{\n run {0} --ip 10.0.0.1 --command \"a 'b'\";\n encoder text;\n}}\n",
    "a brace": "process web {{\n run {0} --ip 10.0.0.1 --command %{{code}};\n encoder text;\n}}\n",
    "a duplicate process name": "process web {{ run {0} --ip 10.0.0.1; encoder text; }}\n" * 2,
    "an unterminated quotation": "process web {{\n run {0} --ip 10.0.0.1 --command 'a;\n encoder text;\n}}\n",
}


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def version(request: pytest.FixtureRequest) -> str:
    """Return each version of ExaBGP."""
    return str(request.param)


@contextmanager
def running_exabgp(directory: Path, version: str, processes: str) -> Iterator[Process]:
    """Run an ExaBGP with these processes, one of them `web`, without a BGP peer."""
    program = directory / "healthcheck.py"
    program.write_text(RECORDER)
    program.chmod(0o755)
    speaker = Peer("node1", ADDRESS, bird.ASN + 1, free_port(ADDRESS))
    conf = directory / "exabgp.conf"
    conf.write_text(
        f"{processes.format(program)}neighbor 127.0.0.100 {{\n"
        f" router-id {ADDRESS};\n local-address {ADDRESS};\n local-as {speaker.asn};\n peer-as {bird.ASN};\n"
        " api { processes [ web ]; }\n}\n"
    )
    log = directory / "exabgp.log"
    command = [str(executable(version)), str(conf)]
    exabgp = Process("exabgp", command, log, environment(Settings(version), speaker))
    exabgp.start()
    try:
        yield exabgp
    finally:
        exabgp.terminate()


def run_import(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run `import-healthcheck` with the configuration of that ExaBGP."""
    command = agent("import-healthcheck", str(directory / "exabgp.conf"))
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("case", VALID)
def test_exabgp_runs_the_imported_command(tmp_path: Path, version: str, case: str) -> None:
    block = f"process web {{{{\n {VALID[case]}\n encoder text;\n}}}}\n"
    with running_exabgp(tmp_path, version, block) as exabgp:
        arguments_file = tmp_path / "arguments"
        wait_for("the command is run", lambda: arguments_file.exists() or not exabgp.running, EXABGP_TIMEOUT)
        assert arguments_file.exists(), exabgp.output()
        arguments = json.loads(arguments_file.read_text())
    completed = run_import(tmp_path)
    if "," in arguments:
        # healthcheck also rejects these arguments, which the import must report.
        assert completed.returncode == 2
        assert "unknown argument ','" in completed.stderr
        return
    assert completed.returncode == 0, completed.stderr
    config = tmp_path / "agent.yaml"
    config.write_text(completed.stdout)
    [service] = load_file(str(config)).services
    assert service.check.command == arguments[-1].removeprefix("--command=")
    assert arguments[:2] == ["--ip", "10.0.0.1"]
    assert ("Skipped: " in completed.stderr) == ("two" in case)


@pytest.mark.parametrize("case", INVALID)
def test_what_exabgp_rejects_is_not_imported(tmp_path: Path, version: str, case: str) -> None:
    with running_exabgp(tmp_path, version, INVALID[case]) as exabgp:
        wait_for("ExaBGP exits", lambda: not exabgp.running, EXABGP_TIMEOUT)
    assert not (tmp_path / "arguments").exists()
    completed = run_import(tmp_path)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert f"{tmp_path / 'exabgp.conf'}: " in completed.stderr
