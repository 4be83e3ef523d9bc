from pathlib import Path

import pytest

from tests.unit.config_files import fake_backends, read, refusal, service
from vipagent.config.problems import MAX_FIRST, ConfigError, Problem, describe, first_problem

__all__ = ["fake_backends"]
pytestmark = pytest.mark.usefixtures("fake_backends")

NO_VIP = "is not a valid IP address or prefix (such as 192.0.2.1, 2001:db8::1, 192.0.2.0/24)"
NO_NAME = "is not a valid name: use letters, digits, '.', '_' and '-', at most 200 characters"


def test_the_first_problem_stands_for_all() -> None:
    med = Problem("apex.yaml", "services.apex.med", "-1", "is too small: minimum is 0")
    shown = "apex.yaml: services.apex.med: '-1' is too small: minimum is 0"
    assert first_problem(ConfigError([med])) == shown
    assert first_problem(ConfigError([med, med, med])) == f"{shown} (and 2 more)"
    assert first_problem(ValueError("the agent is about to stop")) == "the agent is about to stop"
    assert first_problem(ValueError()) == ""


def test_the_first_problem_is_bounded_and_printable() -> None:
    name = "\x1b[31m" + "x" * 1000
    shown = first_problem(ConfigError([Problem("apex.yaml", f"services.{name}", None, "is unknown")]))
    assert shown == f"apex.yaml: services.?[31m{'x' * 1000}"[:MAX_FIRST] + "…"


def test_all_problems_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    text = """
        node: all
        backend: nosuch
        session_timeout: never
        med: 100
        services:
          apex:
            auth_ip: [10.0.0.1, 10.0.0.1/32]
            med: -1
            prepend: 1
            node: node1
          w/eb:
            auth_ip: 10.0.0.1
            vip: [10.0.0.300]
            next_hop: none
          mail: 25
    """
    assert refusal(read, tmp_path, text) == [
        "node: 'all' is reserved for the maintenance of a whole service: choose another node name",
        "session_timeout: 'never' is not a number",
        "med: unknown key: set it in a service (services: NAME: med)",
        "backend: 'nosuch' is not a known backend; installed: file",
        "services.apex.med: '-1' is too small: minimum is 0",
        "services.apex.node: unknown key: set it at the top level, for all services",
        "services.apex.auth_ip: '10.0.0.1' is listed twice",
        "services.apex.prepend: 1 requires local_as, the AS number to prepend",
        f"services.w/eb: 'w/eb' {NO_NAME}",
        f"services.w/eb.vip[0]: '10.0.0.300' {NO_VIP}",
        "services.w/eb.next_hop: 'none' is not a valid IP address (such as 192.0.2.1 or 2001:db8::1)",
        "services.mail: '25' is not a mapping (KEY: VALUE)",
        "services.w/eb.vip: '10.0.0.1' is already a VIP of service apex: a VIP belongs to one service",
    ]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("auth_ip: lb1.example", f"auth_ip: 'lb1.example' {NO_VIP}"),
        ("auth_ip: ''", f"auth_ip: '' {NO_VIP}"),
        ("auth_ip:", "auth_ip: has no value: set one or remove the key"),
        ("auth_ip: fe80::1%eth0", "auth_ip: 'fe80::1%eth0' " + NO_VIP),
        ("auth_ip: 10.0.0.1/24", "auth_ip: '10.0.0.1/24' has host bits set: use 10.0.0.0/24, or"),
        ("auth_ip: 224.0.0.1", "auth_ip: '224.0.0.1' is not a unicast address"),
        ("auth_ip: '::'", "auth_ip: '::' is not a unicast address"),
        ("auth_ip: {a: b}", "auth_ip: {'a': 'b'} is not a list of values"),
        ("vip: [10.0.0.1]", "auth_ip: is required: this node must own at least one VIP"),
        ("vip: {node2: 10.0.0.2}", "vip.node1: no VIPs are configured for this node (node: node1)"),
        ("vip: {node1: 10.0.0.1, all: 10.0.0.2}", "vip.all: 'all' is reserved for the maintenance of a"),
        ("vip: {node1: 10.0.0.1, node2: [10.0.0.2, x]}", f"vip.node2[1]: 'x' {NO_VIP}"),
        ("vip: {node1: 10.0.0.1, node2: 10.0.0.1/32}", "vip: '10.0.0.1' is listed twice (node1, node2): a"),
        ("{auth_ip: 10.0.0.2, vip: {node1: 10.0.0.1}}", "auth_ip: '10.0.0.2' differs from vip.node1"),
        ("{auth_ip: 10.0.0.1, vip: [10.0.0.2, 10.0.0.2]}", "vip: '10.0.0.2' is listed twice"),
        ("{auth_ip: 10.0.0.1, takeover: some}", "takeover: 'some' is not one of 'all', 'one' or 'ranked'"),
        ("{auth_ip: 10.0.0.1, standby: warm}", "standby: 'warm' is not one of 'cold' or 'hot'"),
        ("{auth_ip: 10.0.0.1, med: 4294967296}", "med: '4294967296' is too large: maximum is 4294967295"),
        ("{auth_ip: 10.0.0.1, med: 4294967095}", None),
        ("{auth_ip: 10.0.0.1, med: 4294967096}", "med_step: 100 gives a MED of 4294967296 at the lowest"),
        ("{auth_ip: 10.0.0.1, med: 1.5}", "med: '1.5' is not an integer"),
        ("{auth_ip: 10.0.0.1, prepend: 127, local_as: 1}", None),
        ("{auth_ip: 10.0.0.1, prepend: 128, local_as: 1}", "prepend: 128 gives an AS path of length 257"),
        ("{auth_ip: 10.0.0.1, local_as: 0}", "local_as: '0' is too small: minimum is 1"),
        ("{auth_ip: 10.0.0.1, next_hop: [192.0.2.1, 192.0.2.2]}", "next_hop: '192.0.2.1, 192.0.2.2' are"),
        ("{auth_ip: 10.0.0.1, next_hop: '2001:db8::1'}", "next_hop: '2001:db8::1' has no effect: the"),
        ("{auth_ip: 10.0.0.1, next_hop: [self, 192.0.2.1]}", "next_hop: 'self' cannot be combined with"),
        ("{auth_ip: 10.0.0.1, next_hop: self}", None),
        ("{auth_ip: 10.0.0.1, neighbor: switch}", "neighbor: 'switch' is not a valid IP address (such as"),
        ("{auth_ip: 10.0.0.1, neighbor: '*'}", "neighbor: '*' is not a valid IP address"),
        ('{auth_ip: 10.0.0.1, community: "64500:1\\nannounce"}', r"community: '64500:1\nannounce' contains"),
        ('{auth_ip: 10.0.0.1, large_community: "1:1:1\\t"}', r"large_community: '1:1:1\t' contains a"),
        ('{auth_ip: 10.0.0.1, extended_community: "target:1:1\\r"}', r"extended_community:"),
        ("{auth_ip: 10.0.0.1, community: [1:1, 65536:1]}", "community[1]: '65536:1' is out of range:"),
        ("{auth_ip: 10.0.0.1, large_community: 4294967296:1:1}", "large_community: '4294967296:1:1' is"),
        ("{auth_ip: 10.0.0.1, large_community: 1:1}", "large_community: '1:1' is not a valid large"),
        ("{auth_ip: 10.0.0.1, extended_community: target:65536:1}", "extended_community:"),
        ("{auth_ip: 10.0.0.1, roles: {primary: {med: 1}}}", "roles.primary.med: unknown key: valid keys are"),
        ("{auth_ip: 10.0.0.1, roles: {second: {}}}", "roles.second: unknown key: valid keys are"),
        ("{auth_ip: 10.0.0.1, roles: 3}", "roles: '3' is not a mapping (KEY: VALUE)"),
        ("{auth_ip: 10.0.0.1, flap_hold: {window: 0}}", "flap_hold.window: '0' is too small: must be"),
        ("{auth_ip: 10.0.0.1, interval: 0}", "interval: '0' is too small: must be greater than 0"),
        ("{auth_ip: 10.0.0.1, timeout: -1}", "timeout: '-1' is too small: must be greater than 0"),
        ("{auth_ip: 10.0.0.1, timeout: .nan}", "timeout: '.nan' is not a number"),
        ("{auth_ip: 10.0.0.1, settle: nan}", "settle: 'nan' is not a finite number"),
        ("{auth_ip: 10.0.0.1, drain_delay: 100000}", "drain_delay: '100000' is too large: maximum is 86400"),
        ("{auth_ip: 10.0.0.1, rise: 0}", "rise: '0' is too small: minimum is 1"),
        ("{auth_ip: 10.0.0.1, require_bgp: -1}", "require_bgp: '-1' is too small: minimum is 0"),
        ("{auth_ip: 10.0.0.1, ip_setup: maybe}", "ip_setup: 'maybe' is not a boolean (true or false)"),
        ("{auth_ip: 10.0.0.1, command: ' '}", "command: ' ' is not a valid command"),
        ("{auth_ip: 10.0.0.1, command: [a, b]}", "command: ['a', 'b'] is not a string"),
        ("{auth_ip: 10.0.0.1, command: a, check: 'tcp://h:1'}", "check: 'tcp://h:1' is mutually exclusive"),
        (
            "{auth_ip: 10.0.0.1, check: 'http://h/', check_verify: strict}",
            "check_verify: 'strict' has no effect",
        ),
        ("{auth_ip: 10.0.0.1, command: a, check_verify: false}", "check_verify: 'false' has no effect"),
        (
            "{auth_ip: 10.0.0.1, check: 'https://h/', check_verify: stricter}",
            "check_verify: 'stricter' is not one of 'true', 'false' or 'strict'",
        ),
        ("{auth_ip: 10.0.0.1, check: 'ftp://h'}", "check: 'ftp://h' is not a supported check URL:"),
        ("{auth_ip: 10.0.0.1, check: 'tcp://h'}", "check: 'tcp://h' is not a supported check URL:"),
        ("{auth_ip: 10.0.0.1, check: 'http://h:99999/'}", "check: 'http://h:99999/' is not a valid URL"),
        ("{auth_ip: 10.0.0.1, check: 'http://h/a b'}", "check: 'http://h/a b' is not a valid URL: "),
        ("{auth_ip: 10.0.0.1, check: 'http://u:secret@h/'}", "check: 'http://…@h/' is not a supported check"),
        ("{auth_ip: 10.0.0.1, auth-ip: 10.0.0.1}", "auth-ip: unknown key: did you mean auth_ip?"),
        ("{auth_ip: 10.0.0.1, xyzzy: secret}", "xyzzy: unknown key: valid keys are address_check, auth_ip, "),
    ],
)  # fmt: skip
def test_messages_for_problems_of_a_service(tmp_path: Path, lines: str, problem: str | None) -> None:
    if problem is None:
        assert service(tmp_path, lines).core.owned == ("10.0.0.1",)
        return
    (line,) = refusal(service, tmp_path, lines)
    assert line.startswith(f"services.apex.{problem}")
    assert "secret" not in line


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("backend: nosuch", "backend: 'nosuch' is not a known backend; installed: file"),
        ("node: a b", f"node: 'a b' {NO_NAME}"),
        ("node: ..", f"node: '..' {NO_NAME}"),
        ("prefix: exabgp", "prefix: 'exabgp' is not a valid absolute path (such as /exabgp)"),
        ("prefix: /a/../b", "prefix: '/a/../b' is not a valid absolute path (such as /exabgp)"),
        ("prefix: /", "prefix: '/' is not a valid absolute path (such as /exabgp)"),
        ("store: 3", "store: 3 is not a mapping (NAME: VALUE)"),
        ("store: {level: high}", "store: file: level: 'high' is not a level"),
        ("log_level: loud", "log_level: 'LOUD' is not one of 'DEBUG', 'INFO', 'WARNING', 'ERROR' or"),
        ("log_format: xml", "log_format: 'xml' is not one of 'text' or 'json'"),
        ("syslog_facility: local9", "syslog_facility: 'local9' is not one of 'auth', "),
        ("watchdog: -1", "watchdog: '-1' is too small: minimum is 0"),
        ("zk_hosts: a", "zk_hosts: unknown key: did you mean hosts?"),
        ("~: a", "line 1, column 1: keys must be plain strings"),
    ],
)  # fmt: skip
def test_messages_for_problems_of_the_agent(tmp_path: Path, lines: str, problem: str) -> None:
    (line,) = refusal(read, tmp_path, f"{lines}\nservices: {{apex: {{auth_ip: 10.0.0.1}}}}")
    assert line.startswith(problem)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("node: a", "services: no services are configured"),
        ("services: {}", "services: no services are configured"),
        ("services:", "services: has no value: set one or remove the key"),
        ("services: [apex]", "services: ['apex'] is not a mapping (NAME: VALUE)"),
        ("services: {apex: }", "services.apex: is not a mapping (KEY: VALUE)"),
    ],
)
def test_file_without_services_is_rejected(tmp_path: Path, lines: str, problem: str) -> None:
    assert refusal(read, tmp_path, lines) == [problem]


def test_invalid_host_name_as_node_name_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "all")
    (line,) = refusal(read, tmp_path, "services: {apex: {auth_ip: 10.0.0.1}}")
    assert line.startswith("node: 'all' (this host's name) is reserved")


def test_problem_is_printed_on_one_line() -> None:
    problems = [Problem("f", "k", "a\nb\x1b[31m" + "x" * 500, "is wrong"), Problem("f", "", None, "is empty")]
    first, second = describe(problems).splitlines()
    assert first.startswith(r"f: k: 'a\nb\x1b[31mxxx")
    assert first.endswith("… is wrong")
    assert len(first) < 120
    assert second == "f: is empty"
