"""`vipagent import-healthcheck`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quick.migration.importing import Importer
from tests.unit.config_files import fake_backends
from vipagent.migration.healthcheck import HEALTHCHECK_OPTIONS
from vipagent.migration.healthcheck_service import LOOKED_AT, REMARKS, SAME
from vipagent.migration.options import OptionArgument
from vipagent.testing.slowness import allowed
from vipagent.types import Standby, Takeover

__all__ = ["fake_backends"]

pytestmark = pytest.mark.usefixtures("fake_backends")

WITH_VALUE = (OptionArgument.VALUE, OptionArgument.REPEATED)

HAPROXY = """\
# as in healthcheck's own documentation
debug
name = haproxy
interval = 10
fast-interval=1
command = curl -sf http://127.0.0.1/healthcheck?a=b

ip = 10.0.0.1
"""


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys, "import-healthcheck")


def test_every_option_of_healthcheck_is_known_and_comes_to_something() -> None:
    """Options of the installed ExaBGP: 4.2 in the tests of the lowest versions, otherwise 5."""
    command = [sys.executable, "-m", "exabgp", "healthcheck", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=allowed(60)).stdout
    theirs = set(re.findall(r"(?<![\w-])--[a-z-]+", shown.split("\noptions:", 1)[1])) - {"--help"}
    assert "--withdraw-on-down" in theirs
    ours = {flag for option in HEALTHCHECK_OPTIONS for flag in option.flags if flag.startswith("--")}
    assert theirs <= ours
    handled = {*SAME, *LOOKED_AT, *REMARKS}
    assert handled == {option.name for option in HEALTHCHECK_OPTIONS}
    assert len(handled) == len(SAME) + len(LOOKED_AT) + len(REMARKS)


def test_a_file_of_options(importer: Importer) -> None:
    imported = importer.good(importer.write("ha.conf", HAPROXY))
    [service] = imported.config.services
    assert (service.name, service.core.owned) == ("haproxy", ("10.0.0.1",))
    assert service.check.command == "curl -sf http://127.0.0.1/healthcheck?a=b"
    assert (service.check.interval, service.check.fast_interval) == (10, 1)
    assert (service.core.takeover, service.core.standby) == (Takeover.ALL, Standby.COLD)
    assert service.ip_setup
    assert imported.config.log.log_level == "DEBUG"
    assert "left to decide: 2" in imported.stderr


def test_the_processes_of_an_exabgp_conf(importer: Importer) -> None:
    conf = """\
    neighbor 192.0.2.1 { router-id 192.0.2.2; local-as 64496; peer-as 64497; }
    process watch-haproxy {
       run python -m exabgp healthcheck --cmd "curl -sf http://127.0.0.1/" --ip=10.0.0.1/32 -f 0.5 \\
           --config ha.conf --execute 'echo $STATE' --execute "logger x; true" --up-exec up;
    }
    process watch-mysql {
       run /etc/exabgp/processes/healthcheck.py --ip 10.0.0.2 --no-syslog -t 3 --neighbor *;
    }
    """
    importer.write("ha.conf", "ip = 10.0.0.9\ncommand = overruled\nno-syslog\n")
    imported = importer.good(importer.write("exabgp.conf", conf))
    web, sql = imported.config.services
    assert (web.name, web.core.pool) == ("watch-haproxy", ("10.0.0.1", "10.0.0.9"))
    assert (web.check.command, web.check.fast_interval) == ("curl -sf http://127.0.0.1/", 0.5)
    assert web.hooks.execute == ("echo $STATE", "logger x; true")
    assert web.hooks.up_execute == ("up",)
    assert (sql.name, sql.core.owned, sql.check.timeout) == ("watch-mysql", ("10.0.0.2",), 3)
    assert sql.routes.neighbor == ()


def test_the_last_run_of_a_process_counts_as_in_exabgp(importer: Importer) -> None:
    conf = """\
    process web {
       run exabgp healthcheck --ip 10.0.0.1 --no-syslog;
       encoder text;
       run exabgp healthcheck --ip 10.0.0.2 --no-syslog;
    }
    """
    imported = importer.good(importer.write("exabgp.conf", conf))
    [service] = imported.config.services
    assert service.core.owned == ("10.0.0.2",)
    assert "2 `run` lines: ExaBGP uses the last one" in imported.stderr
    assert "`exabgp healthcheck --ip 10.0.0.1 --no-syslog`" in imported.stderr


def test_every_process_that_is_left_out_is_named(importer: Importer) -> None:
    conf = """\
    process web { run exabgp healthcheck --ip 10.0.0.1; }
    process log { run /bin/cat; }
    process sql { run /bin/sh -c "exec exabgp healthcheck --ip 10.0.0.2"; }
    process empty { encoder text; }
    """
    imported = importer.good(importer.write("exabgp.conf", conf))
    assert [service.name for service in imported.config.services] == ["web"]
    remarks = [line for line in imported.stderr.splitlines() if line.startswith("left out: ")]
    starts = [line.replace(f"{importer.folder}/", "") for line in remarks]
    assert [line.split(": ")[1] for line in starts] == [
        "exabgp.conf, process log", "exabgp.conf, process sql", "exabgp.conf, process empty",
    ]  # fmt: skip
    assert "runs /bin/cat: another program" in starts[0]
    assert "pass its options as a file" in starts[1]
    assert "has no run" in starts[2]


@pytest.mark.parametrize(
    ("run", "remarks"),
    [
        ("python -m exabgp healthcheck", ""),
        ("/usr/bin/env python3 /usr/lib/exabgp/healthcheck.py", ""),
        ("/usr/bin/python3 -m exabgp.application.healthcheck", ""),
        (
            "ip netns exec blue exabgp healthcheck",
            "The wrapper `ip netns exec blue exabgp` was removed",
        ),
        ("/usr/bin/sudo -u www exabgp healthcheck", "The wrapper `/usr/bin/sudo -u www exabgp`"),
    ],
)
def test_what_runs_healthcheck_is_named_if_it_is_more_than_python(
    importer: Importer, run: str, remarks: str
) -> None:
    conf = f"process web {{ run {run} --ip 10.0.0.1; }}\n"
    imported = importer.good(importer.write("exabgp.conf", conf))
    assert remarks in imported.stderr
    assert ("The wrapper" in imported.stderr) == bool(remarks)


@pytest.mark.parametrize(
    ("neighbor", "used"),
    [
        ("neighbor 192.0.2.1 { api { processes [ other, web ]; } }", True),
        ("neighbor 192.0.2.1 { api named { processes-match [ w.b ]; } }", True),
        ("template { neighbor t { api { processes [ web ]; } } }", True),
        ("neighbor 192.0.2.1 { api { processes [ website ]; } }", False),
        ("neighbor 192.0.2.1 { api { processes-match [ eb ]; } }", False),
        ("# api { processes [ web ]; }", False),
    ],
)
def test_a_process_that_no_neighbour_uses_is_named(importer: Importer, neighbor: str, used: bool) -> None:
    conf = f"{neighbor}\nprocess web {{ run exabgp healthcheck --ip 10.0.0.1; }}\n"
    imported = importer.good(importer.write("exabgp.conf", conf))
    assert ("announce none of its routes" in imported.stderr) != used


def test_several_addresses_are_ranked_as_their_metrics_were(importer: Importer) -> None:
    text = "ip = 10.0.0.1\nip = 10.0.0.2\nip = 10.0.0.3\nstart-ip = 1\nup-metric = 10\nincrease = 5\n"
    imported = importer.good(importer.write("web.conf", text))
    [service] = imported.config.services
    assert (service.name, service.core.owned) == ("web", ("10.0.0.2",))
    assert service.core.pool == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert (service.core.takeover, service.core.standby) == (Takeover.RANKED, Standby.HOT)
    assert (service.routes.med, service.routes.med_step) == (10, 5)
    assert "set a different auth_ip on every node" in imported.stderr


def test_networks_are_taken_apart_if_healthcheck_did(importer: Importer) -> None:
    text = "ip = 10.0.0.0/30\n"
    [service] = importer.good(importer.write("web.conf", text)).config.services
    assert service.core.pool == ("10.0.0.0/30",)
    [service] = importer.good(importer.write("web.conf", f"{text}deaggregate-networks")).config.services
    assert service.core.pool == ("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3")
    huge = importer.write("web.conf", "ip = 10.0.0.0/8\ndeaggregate-networks")
    assert importer.bad(huge) == [
        "web.conf: --ip: too many addresses after deaggregation: 16777216, limit 1024"
    ]


def test_the_attributes_of_the_routes(importer: Importer) -> None:
    text = """\
ip = 2001:db8::1
ip = 10.0.0.1
next-hop = 192.0.2.9
community = 65000:1 65000:2
large-community = 1:2:3
extended-community = target:1:2
local-preference = 200
path-id = 7
neighbor = 192.0.2.1
neighbor = 192.0.2.2
no-ip-setup
disable = /run/web.off
rise = 1
fall = 2
"""
    [service] = importer.good(importer.write("web.conf", text)).config.services
    assert service.routes.community == ("65000:1", "65000:2")
    assert service.routes.local_preference == 200
    assert service.routes.next_hop == ("192.0.2.9",)
    assert (service.routes.path_id, service.routes.neighbor) == (7, ("192.0.2.1", "192.0.2.2"))
    assert (service.core.rise, service.core.fall, service.check.disable) == (1, 2, "/run/web.off")
    assert not service.ip_setup


def test_options_without_a_counterpart_are_named(importer: Importer) -> None:
    values = {"start-ip": "1", "ip-ifname": "10.0.0.1%eth0"}
    lines = [
        f"{option.name} = {values.get(option.name, 'x')}" if option.argument in WITH_VALUE else option.name
        for option in HEALTHCHECK_OPTIONS
        if option.name in REMARKS
    ]  # fmt: skip
    imported = importer.good(importer.write("web.conf", "\n".join([*lines, "ip = 10.0.0.1"])))
    for name in REMARKS:
        assert re.search(rf"# (TODO: )?{name}\b", imported.text), name


@pytest.mark.parametrize(
    "line", ["interval = 0", "timeout = 0", "path-id = 0", "rise = 0", "local-preference=-1"]
)
def test_values_that_healthcheck_takes_for_something_else(importer: Importer, line: str) -> None:
    imported = importer.good(importer.write("web.conf", f"ip = 10.0.0.1\n{line}\n"))
    assert f"# {line.partition('=')[0].strip()} was " in imported.text


def test_the_store_is_the_operator_s_choice(importer: Importer) -> None:
    chosen = ("--backend", "zookeeper", "--hosts", "zk1:2181,zk2:2181", "--node", "n1")
    imported = importer.good(*chosen, importer.write("web.conf", "ip = 10.0.0.1"))
    assert (imported.config.backend, imported.config.store.node) == ("zookeeper", "n1")
    assert imported.config.store.hosts == ("zk1:2181", "zk2:2181")
    assert "left to decide: 1" in imported.stderr


def test_what_is_wrong_with_the_operator_s_choice_is_said_once(importer: Importer) -> None:
    one, other = (importer.write(f"{n}.conf", f"ip = 10.0.0.{n}") for n in (1, 2))
    assert importer.bad("--session-timeout", "x", "--node", "a b", one, other) == [
        "command line: --node: 'a b' is not a valid name: use letters, digits, '.', '_' and '-', "
        "at most 200 characters",
        "command line: --session-timeout: 'x' is not a number",
    ]


def test_healthchecks_that_log_differently_are_reconciled_by_a_human(importer: Importer) -> None:
    one = importer.write("a.conf", "ip = 10.0.0.1\nsyslog-facility = local1")
    other = importer.write("b.conf", "ip = 10.0.0.2\nsyslog-facility = local2")
    imported = importer.good(one, other)
    assert imported.config.log.syslog_facility == "local1"
    assert "syslog_facility: other files have local2" in imported.stderr


def test_all_problems_immediately(importer: Importer) -> None:
    one = importer.write("a.conf", "ip = x\ninterval = y\nnosuch = 1\nconfig: z\ndebug = yes\n")
    other = importer.write("b.conf", "ip = 10.0.0\ninterval = y\nname = b\nfall=1001\n")
    none = importer.write("c.conf", "label = web\n")
    problems = importer.bad(one, other, none)
    starts = [problem.split(": ")[:2] for problem in problems]
    assert starts == [
        ["a.conf", "line 3"], ["a.conf", "line 4"], ["a.conf", "line 5"], ["c.conf", "--ip"],
        ["b.conf", "--ip"], ["b.conf", "--interval"], ["b.conf", "--fall"],
    ]  # fmt: skip
    assert "ip -o address show dev lo" in problems[3]
    assert "with the label web" in problems[3]


def test_a_file_that_a_command_line_names_but_is_not_here(importer: Importer) -> None:
    conf = "process a { run exabgp healthcheck --config nosuch.conf; }"
    assert importer.bad(importer.write("x.conf", conf)) == [
        "nosuch.conf: cannot be read: No such file or directory"
    ]
