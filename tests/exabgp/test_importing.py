"""`import-healthcheck` parses `exabgp.conf` like ExaBGP 4.2 and 5, verified by running them."""

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
WITHIN = 60.0
HEALTHCHECK = f"""#!{sys.executable}
import json, sys
from pathlib import Path
given = Path(sys.argv[0]).with_name("given")
given.with_suffix(".new").write_text(json.dumps(sys.argv[1:]))
given.with_suffix(".new").rename(given)
sys.stdin.read()
"""
"""Records its arguments."""
READ_ALIKE = {
    "two run lines": 'run {0} --ip 10.0.0.1 --command "first";\n run {0} --ip 10.0.0.1 --command "second";',
    "run in a comment": 'run {0} --ip 10.0.0.1 --command "first"; # run {0} --command "no";\n# run x;',
    "marks in quotes": 'run {0} --ip 10.0.0.1 --command "a; b {{c}} # d";',
    "escapes": r'run {0} --ip 10.0.0.1 --command "grep \\. a\tb";',
    "a continued line": 'run {0} --ip 10.0.0.1 \\\n --command "first \\\nline";',
    "list marks": "run {0} --ip 10.0.0.1 --command first,second;",
    "a quotation in a word": 'run {0} --ip 10.0.0.1 --command=a"b c";',
}
REFUSED = {
    "a statement over two lines": "process web {{\n run {0}\n --ip 10.0.0.1;\n encoder text;\n}}\n",
    "quotes in quotes": "process web {{\n run {0} --ip 10.0.0.1 --command \"a 'b'\";\n encoder text;\n}}\n",
    "a brace": "process web {{\n run {0} --ip 10.0.0.1 --command %{{code}};\n encoder text;\n}}\n",
    "two of one name": "process web {{ run {0} --ip 10.0.0.1; encoder text; }}\n" * 2,
    "no end": "process web {{\n run {0} --ip 10.0.0.1 --command 'a;\n encoder text;\n}}\n",
}


@pytest.fixture(params=VERSIONS, ids=lambda version: f"exabgp{version}")
def version(request: pytest.FixtureRequest) -> str:
    """Provide each version of ExaBGP."""
    return str(request.param)


@contextmanager
def running(directory: Path, version: str, processes: str) -> Iterator[Process]:
    """Run an ExaBGP with these processes, one of them `web`, without a BGP peer."""
    program = directory / "healthcheck.py"
    program.write_text(HEALTHCHECK)
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


def imported(directory: Path) -> subprocess.CompletedProcess[str]:
    """Import the configuration of that ExaBGP."""
    command = agent("import-healthcheck", str(directory / "exabgp.conf"))
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("case", READ_ALIKE)
def test_exabgp_runs_what_is_imported(tmp_path: Path, version: str, case: str) -> None:
    block = f"process web {{{{\n {READ_ALIKE[case]}\n encoder text;\n}}}}\n"
    with running(tmp_path, version, block) as exabgp:
        given = tmp_path / "given"
        wait_for("it is run", lambda: given.exists() or not exabgp.running, WITHIN)
        assert given.exists(), exabgp.said()
        words = json.loads(given.read_text())
    done = imported(tmp_path)
    if "," in words:
        # healthcheck also rejects these arguments, which the import must report.
        assert done.returncode == 2
        assert "unknown argument ','" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    config = tmp_path / "agent.yaml"
    config.write_text(done.stdout)
    [service] = load_file(str(config)).services
    assert service.check.command == words[-1].removeprefix("--command=")
    assert words[:2] == ["--ip", "10.0.0.1"]
    assert ("Skipped: " in done.stderr) == ("two" in case)


@pytest.mark.parametrize("case", REFUSED)
def test_what_exabgp_refuses_is_not_imported(tmp_path: Path, version: str, case: str) -> None:
    with running(tmp_path, version, REFUSED[case]) as exabgp:
        wait_for("it ends", lambda: not exabgp.running, WITHIN)
    assert not (tmp_path / "given").exists()
    done = imported(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / 'exabgp.conf'}: " in done.stderr
