"""`vipagent import-exazk`."""

from pathlib import Path

import pytest

from tests.quick.migration.importing import Importer
from tests.unit.config_files import fake_backends
from vipagent.types import Takeover

__all__ = ["fake_backends"]

pytestmark = pytest.mark.usefixtures("fake_backends")

APEX = """\
---
zk_hosts:
    - zk1
    - zk2:2182
zk_path_service: /exabgp/service/apex
zk_path_maintenance: /exabgp/maintenance/apex/node1
debug: False
silent: False           # log to console, if not silent
syslog: True
syslog_facility: daemon
local_check: /usr/local/bin/check_local_nginx.sh
srv_name: apex
srv_auth_ip: 10.20.255.1
srv_non_auth_ips: [ 10.20.255.2, 10.20.255.3 ]
...
"""
WEB = APEX.replace("apex", "web").replace("10.20.255", "10.20.254")


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys, "import-exazk")


def test_an_instance_becomes_a_service_on_the_same_tree(importer: Importer) -> None:
    imported = importer.good(importer.write("apex.yml", APEX))
    store = imported.config.store
    assert (imported.config.backend, store.node, store.prefix) == ("zookeeper", "node1", "/exabgp")
    assert store.hosts == ("zk1", "zk2:2182")
    assert imported.config.log.syslog_facility == "daemon"
    [service] = imported.config.services
    assert (service.name, service.core.owned) == ("apex", ("10.20.255.1",))
    assert service.core.pool == ("10.20.255.1", "10.20.255.2", "10.20.255.3")
    assert (service.core.takeover, service.routes.med, service.routes.med_step) == (Takeover.ALL, 100, 100)
    assert (service.check.command, service.check.timeout) == ("/usr/local/bin/check_local_nginx.sh", 1)
    assert service.core.require_bgp == 1
    assert imported.stderr == "imported: apex; left to decide: 0\n"


def test_several_instances_become_one_configuration(importer: Importer) -> None:
    imported = importer.good(importer.write("apex.yml", APEX), importer.write("web.yml", WEB))
    assert [service.name for service in imported.config.services] == ["apex", "web"]
    assert imported.text.count("backend:") == 1


def test_the_command_lines_of_an_exabgp_conf(importer: Importer) -> None:
    conf = """\
    group neighbors {
      neighbor 172.16.1.6 { router-id 172.16.1.1; local-as 65101; peer-as 65001; }
      process exazk-apex {  # it's the first
        run /opt/exazk.py -sF local3 -c "check a;b" -n apex -A 10.20.255.1 -N 10.20.255.2 \\
            -zH zk1 -zH zk2 -zPS /exabgp/service/apex -zPM /exabgp/maintenance/apex/node1;
      }
      process exazk-web { run /opt/exazk.py -f web.yml; encoder text; }
      process other { run /usr/bin/other --config x; }
    }
    """
    importer.write("web.yml", WEB.replace("    - zk2:2182", "    - zk2").replace("daemon", "local3"))
    imported = importer.good(importer.write("exabgp.conf", conf))
    apex, web = imported.config.services
    assert (apex.core.pool, apex.check.command) == (("10.20.255.1", "10.20.255.2"), "check a;b")
    assert (web.name, web.core.owned) == ("web", ("10.20.254.1",))
    assert imported.config.log.syslog_facility == "local3"
    assert "exabgp.conf, process other: runs /usr/bin/other --config x: another program" in imported.stderr


def test_options_that_a_file_cancels_are_named(importer: Importer) -> None:
    importer.write("web.yml", WEB)
    conf = "process web { run /opt/exazk.py -f web.yml -A 10.9.9.9 -c other; }\n"
    imported = importer.good(importer.write("exabgp.conf", conf))
    [web] = imported.config.services
    assert web.core.owned == ("10.20.254.1",)
    assert "Options in addition to --config, which ExaZK ignored: local_check, srv_auth_ip" in imported.stderr


def test_a_chroot_is_part_of_the_prefix(importer: Importer) -> None:
    text = APEX.replace("zk2:2182", "zk2:2182/site/a")
    imported = importer.good(importer.write("apex.yml", text))
    assert imported.config.store.prefix == "/site/a/exabgp"
    assert imported.config.store.hosts == ("zk1", "zk2:2182")
    assert imported.config.store.node == "node1"


def test_the_operator_names_the_node(importer: Importer) -> None:
    imported = importer.good("--node", "lb7", importer.write("apex.yml", APEX))
    assert imported.config.store.node == "lb7"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("/exabgp/maintenance/apex", "DANGER while an ExaZK remains"),
        ("/elsewhere/node1", "While both run, set both."),
        ("/exabgp/maintenance/apex/all", "While both run, set both."),
    ],
)
def test_another_maintenance_key_is_left_to_decide(importer: Importer, key: str, words: str) -> None:
    text = APEX.replace("/exabgp/maintenance/apex/node1", key)
    imported = importer.good(importer.write("apex.yml", text))
    assert "left to decide: 2" in imported.stderr
    assert words in imported.stderr
    assert "set node" in imported.stderr
    assert "node:" not in imported.text.splitlines()
    assert imported.text.count("# TODO: ") == 2


def test_what_has_no_counterpart_is_said(importer: Importer) -> None:
    text = APEX.replace("silent: False", "silent: yes").replace("srv_name: apex", "srv_name: Apex LBs")
    text = "".join(line for line in text.splitlines(keepends=True) if "local_check" not in line)
    imported = importer.good(importer.write("apex.yml", text))
    for words in ("silent: true has no counterpart", "ExaZK called this service Apex LBs"):
        assert words in imported.text
    assert "left to decide: 1\n  apex: local_check is missing" in imported.stderr
    assert imported.config.services[0].check.command is None


def test_debug_logs_to_no_syslog(importer: Importer) -> None:
    imported = importer.good(importer.write("apex.yml", APEX.replace("debug: False", "debug: on")))
    assert (imported.config.log.log_level, imported.config.log.syslog_facility) == ("DEBUG", None)


def test_all_problems_immediately_each_with_file_and_key(importer: Importer) -> None:
    apex = APEX.replace("srv_auth_ip: 10.20.255.1", "srv_auth_ip: x").replace("10.20.255.3", "y")
    web = "zk_hosts: [a]\nfoo: 1\nsrv_auth_ip: {a: b}\nzk_path_maintenance:\n"
    other = APEX.replace("/service/", "/srv/")
    problems = importer.bad(
        importer.write("apex.yml", apex),
        importer.write("web.yml", web),
        importer.write("other.yml", other),
        importer.write("broken.yml", "a: b: c"),
        importer.write("list.yml", "[]"),
        str(importer.folder / "nothere"),
    )
    starts = {problem.split(" ")[0] + " " + problem.split(" ")[1] for problem in problems}
    assert starts >= {
        "apex.yml: srv_auth_ip:", "apex.yml: srv_non_auth_ips:", "web.yml: foo:", "web.yml: srv_auth_ip:",
        "web.yml: zk_path_maintenance:", "web.yml: zk_path_service:", "other.yml: zk_path_service:",
        "broken.yml: line", "list.yml: is", "nothere: cannot",
    }  # fmt: skip


def test_one_agent_has_one_store_and_one_node(importer: Importer) -> None:
    web = WEB.replace("zk2:2182", "zk9").replace("/exabgp/", "/ex/").replace("node1", "node2")
    problems = importer.bad(importer.write("apex.yml", APEX), importer.write("web.yml", web))
    assert [problem.split(": ")[1] for problem in problems] == [
        "zk_path_maintenance", "zk_hosts", "zk_path_service"
    ]  # fmt: skip
    assert all("apex.yml to " in problem for problem in problems)


def test_the_files_of_two_nodes_are_not_one_node_s(importer: Importer) -> None:
    other = APEX.replace("/node1", "/node2")
    problems = importer.bad("--node", "n", importer.write("a.yml", APEX), importer.write("b.yml", other))
    assert problems == ["b.yml: duplicate service apex, see a.yml: import one node at a time"]


def test_a_vip_belongs_to_one_service(importer: Importer) -> None:
    web = WEB.replace("10.20.254", "10.20.255")
    problems = importer.bad(importer.write("apex.yml", APEX), importer.write("web.yml", web))
    assert any("is already a VIP of service apex" in problem for problem in problems)


def test_an_exabgp_conf_without_exazk(importer: Importer) -> None:
    conf = "process a { run /bin/cat; }\n"
    assert importer.bad(importer.write("x.conf", conf)) == ["x.conf: has no process that runs exazk"]
    open_end = "process a {\n run exazk 'x; }\n"
    assert importer.bad(importer.write("x.conf", open_end)) == [
        "x.conf: is not a valid ExaBGP configuration: "
        "line 2: unterminated statement or quotation, which ExaBGP 4.2 and 5 reject"
    ]
    unknown = "process a { run exazk.py --nosuch; }\n"
    assert importer.bad(importer.write("x.conf", unknown)) == [
        "x.conf, process a: unknown argument '--nosuch'"
    ]


def test_files_that_are_no_text(importer: Importer) -> None:
    path = importer.folder / "x.yml"
    path.write_bytes(b"\xff\xfe\x00")
    assert importer.bad(str(path)) == ["x.yml: is not text: byte 1 is not valid UTF-8"]
    assert importer.bad(str(importer.folder)) == [f"{importer.folder}: cannot be read: Is a directory"]
