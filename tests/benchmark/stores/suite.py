"""Run the contract suite with the real server of each store."""

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
"""Test module of each store."""
CLASSES = {
    "file": ("TestFile", "TestFileProcesses"),
    "zookeeper": ("TestZooKeeper", "TestZooKeeperProcesses", "TestZooKeeperFaults"),
    "etcd": ("TestEtcd", "TestEtcdProcesses", "TestEtcdFaults"),
    "consul": ("TestConsul", "TestConsulProcesses", "TestConsulFaults"),
}
"""Suite classes of each store; its module also has other tests."""
ABSENT = "no server"


def run_suite(folder: Path) -> str:
    """Run the suite, and return a table with a row per test and a column per store."""
    outcomes_by_test: dict[str, dict[str, str]] = defaultdict(dict)
    for backend in CLASSES:
        for test, outcome in _run(backend, folder).items():
            outcomes_by_test[test][backend] = outcome
    rows = (
        [_test_name(test), *(outcomes.get(backend, ABSENT) for backend in CLASSES)]
        for test, outcomes in outcomes_by_test.items()
    )
    return table(["test", *CLASSES], rows)


def _run(backend: str, folder: Path) -> dict[str, str]:
    report = folder / f"{backend}.xml"
    tests = [f"{SUITES[backend]}::{name}" for name in CLASSES[backend]]
    command = [sys.executable, "-m", "pytest", "-q", *tests, f"--junitxml={report}"]
    subprocess.run(command, check=False)  # failures are in the report
    outcomes: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        test = case.attrib["name"].partition("[")[0]
        outcomes[test] = "FAILED" if len(case) or outcomes.get(test) == "FAILED" else "passed"
    return outcomes


def _test_name(test: str) -> str:
    return test.removeprefix("test_").replace("_", " ")
