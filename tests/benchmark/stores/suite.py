"""The contract suite against each store's real server: which test passed where."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tests.markdown import table

SUITES = {
    "file": "tests/contract/test_file.py",
    "zookeeper": "tests/contract/zookeeper/test_suite.py",
    "etcd": "tests/contract/etcd/test_suite.py",
    "consul": "tests/contract/consul/test_suite.py",
}
"""Where each store passes the suite."""
CLASSES = {
    "file": ("TestFile", "TestFileProcesses"),
    "zookeeper": ("TestZooKeeper", "TestZooKeeperProcesses", "TestZooKeeperFaults"),
    "etcd": ("TestEtcd", "TestEtcdProcesses", "TestEtcdFaults"),
    "consul": ("TestConsul", "TestConsulProcesses", "TestConsulFaults"),
}
"""Each store's classes of the suite; its module has tests of its own as well."""
ABSENT = "no server"


def passed(folder: Path) -> str:
    """Run the suite, and return a table: a row for each test, a column for each store."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for backend in CLASSES:
        for test, outcome in _run(backend, folder).items():
            found[test][backend] = outcome
    rows = (
        [_words(test), *(outcomes.get(backend, ABSENT) for backend in CLASSES)]
        for test, outcomes in found.items()
    )
    return table(["test", *CLASSES], rows)


def _run(backend: str, folder: Path) -> dict[str, str]:
    report = folder / f"{backend}.xml"
    tests = [f"{SUITES[backend]}::{name}" for name in CLASSES[backend]]
    command = [sys.executable, "-m", "pytest", "-q", *tests, f"--junitxml={report}"]
    subprocess.run(command, check=False)  # what fails stands in the report
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        test = case.attrib["name"].partition("[")[0]
        outcomes[test] = "FAILED" if len(case) or outcomes.get(test) == "FAILED" else "passed"
    return outcomes


def _words(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")
