from pathlib import Path

import pytest

from tests.unit.config_files import fake_backends, read, refusal, service
from vipagent.checks.settings import CheckSettings, HookSettings
from vipagent.config.load import load_file
from vipagent.config.settings import LogSettings
from vipagent.core.settings import FlapHold, ServiceSettings
from vipagent.exabgp.route import RoleAttributes, Roles, RouteSettings
from vipagent.types import CheckState, OnStoreLoss, Standby, Takeover

__all__ = ["fake_backends"]
pytestmark = pytest.mark.usefixtures("fake_backends")

EVERYTHING = """
    node: node2
    backend: fake_backends
    hosts: a.example:2181, b.example:2181
    prefix: /site/exabgp/
    session_timeout: 4
    store: {level: 3}
    log_level: debug
    log_format: json
    syslog_facility: local0
    watchdog: 20
    services:
      apex:
        auth_ip: 10.0.0.2/32
        vip: [2001:DB8::1, 10.0.0.10, 10.0.0.9, 10.0.1.0/24]
        takeover: ranked
        standby: hot
        med: 50
        med_step: 10
        prepend: 2
        local_as: 64500
        next_hop: [192.0.2.1, "2001:db8::ffff"]
        community: 64500:1
        large_community: [64500:1:2, 64500:1:3]
        extended_community: target:64500:1
        local_preference: 100
        roles:
          primary: {community: [64500:2, 64500:1]}
          standby: {local_preference: 50, large_community: 64500:9:9}
        path_id: 7
        neighbor: 192.0.2.254
        on_store_loss: own
        start_grace: 1.5
        settle: 0
        release_delay: 3
        drain_delay: 4
        require_bgp: 1
        flap_hold: {seconds: 30, count: 2, window: 10}
        command: "true"
        interval: 2
        fast_interval: 0.5
        timeout: 1
        rise: 1
        fall: 2
        disable: /run/apex
        execute: [echo a, echo b]
        up_execute: echo up
        disabled_execute: echo disabled
        ip_setup: true
      web:
        auth_ip: 10.9.0.1
"""


def test_each_key_sets_its_setting(tmp_path: Path) -> None:
    config = read(tmp_path, EVERYTHING)
    assert config.backend == "fake_backends"
    assert (config.store.node, config.store.hosts) == ("node2", ("a.example:2181", "b.example:2181"))
    assert (config.store.prefix, config.store.session_timeout) == ("/site/exabgp", 4)
    assert config.store.options == {"level": 3}
    assert config.log == LogSettings("DEBUG", "json", "local0")
    assert config.watchdog == 20
    apex, web = config.services
    assert web.name == "web"
    assert apex.core == ServiceSettings(
        name="apex",
        node="node2",
        owned=("10.0.0.2",),
        owners=(("10.0.0.2",), ("10.0.0.9",), ("10.0.0.10",), ("10.0.1.0/24",), ("2001:db8::1",)),
        takeover=Takeover.RANKED,
        standby=Standby.HOT,
        on_store_loss=OnStoreLoss.OWN,
        start_grace=1.5,
        settle=0,
        release_delay=3,
        drain_delay=4,
        require_bgp=1,
        rise=1,
        fall=2,
        flap_hold=FlapHold(30, 2, 10),
    )
    assert apex.routes == RouteSettings(
        med=50,
        med_step=10,
        prepend=2,
        local_as=64500,
        next_hop=("192.0.2.1", "2001:db8::ffff"),
        community=("64500:1",),
        large_community=("64500:1:2", "64500:1:3"),
        extended_community=("target:64500:1",),
        local_preference=100,
        roles=Roles(
            primary=RoleAttributes(community=("64500:2", "64500:1")),
            standby=RoleAttributes(local_preference=50, large_community=("64500:9:9",)),
        ),
        path_id=7,
        neighbor=("192.0.2.254",),
    )
    assert apex.routes.attributes(0) == RoleAttributes(
        ("64500:1", "64500:2"), ("64500:1:2", "64500:1:3"), ("target:64500:1",), local_preference=100
    )
    assert apex.routes.attributes(1) == RoleAttributes(
        ("64500:1",), ("64500:1:2", "64500:1:3", "64500:9:9"), ("target:64500:1",), local_preference=50
    )
    assert apex.check == CheckSettings(
        command="true", interval=2, fast_interval=0.5, timeout=1, disable="/run/apex"
    )
    assert apex.hooks == HookSettings(
        execute=("echo a", "echo b"), up_execute=("echo up",), disabled_execute=("echo disabled",)
    )
    assert apex.hooks.commands(CheckState.UP) == ("echo up", "echo a", "echo b")
    assert apex.ip_setup


def test_defaults_match_the_settings_and_healthcheck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "lb7.example")
    config = read(tmp_path, "{session_timeout: 9, services: {apex: {auth_ip: 10.0.0.1}}}")
    assert (config.backend, config.store.prefix, config.watchdog) == ("file", "/exabgp", 10)
    assert config.log == LogSettings()
    (apex,) = config.services
    assert apex.core == ServiceSettings("apex", "lb7.example", ("10.0.0.1",), (("10.0.0.1",),), settle=9)
    assert apex.routes == RouteSettings()
    assert apex.check == CheckSettings()
    assert apex.hooks == HookSettings()


def test_reload_keeps_the_instance(tmp_path: Path) -> None:
    first = read(tmp_path, "services: {apex: {auth_ip: 10.0.0.1}}")
    again = load_file(tmp_path / "agent.yaml")
    assert first == again
    assert first.store.instance


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("community: 64500:1", ("64500:1",)),
        ("community: 30:10", ("30:10",)),  # YAML 1.1: 1810, in base 60
        ("community: '[ 64500:1 No-Export ]'", ("64500:1", "no-export")),
        ("community: []", ()),
    ],
)
def test_scalars_are_not_converted_by_yaml(tmp_path: Path, written: str, meant: tuple[str, ...]) -> None:
    assert service(tmp_path, f"auth_ip: 10.0.0.1\n{written}").routes.community == meant


@pytest.mark.parametrize("name", ["on", "007", "1.10", "2026-01-01", "true"])
def test_names_and_commands_stay_as_written(tmp_path: Path, name: str) -> None:
    config = read(tmp_path, f"{{node: {name}, services: {{{name}: {{auth_ip: 10.0.0.1, command: {name}}}}}}}")
    assert config.store.node == config.services[0].name == config.services[0].check.command == name


def test_backend_options_are_typed_and_quotes_matter(tmp_path: Path) -> None:
    text = "{store: {level: %s}, services: {apex: {auth_ip: 10.0.0.1}}}"
    assert read(tmp_path, text % "12").store.options == {"level": 12}
    for other, shown in [("'12'", "'12'"), ("true", "True"), ("1.5", "1.5"), ("~", "None"), ("on", "'on'")]:
        assert refusal(read, tmp_path, text % other) == [f"store: file: level: {shown} is not a level"]


def test_services_share_settings_by_anchors(tmp_path: Path) -> None:
    text = """
        services:
          apex: &common {auth_ip: 10.0.0.1, rise: 7}
          web: {<<: *common, auth_ip: 10.0.0.2}
    """
    apex, web = read(tmp_path, text).services
    assert (apex.core.rise, web.core.rise, web.core.owned) == (7, 7, ("10.0.0.2",))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty: no services are configured"),
        (b"# nothing\n", "is empty: no services are configured"),
        (b"- a\n- b\n", "is not a mapping with the key services"),
        (b"text\n", "is not a mapping with the key services"),
        (b"node: a\nnode: b\n", "line 2, column 1: duplicate key node"),
        (b"services:\n  apex: {}\n  apex: {}\n", "line 3, column 3: duplicate key apex"),
        (b"store: {level: 1, level: 2}\n", "line 1, column 19: duplicate key level"),
        (b"node: [a\n", "line 2, column 1: expected ',' or ']', but got '<stream end>'"),
        (b"{[a]: b}\n", "line 1, column 2: keys must be plain strings"),
        (b"node: a\n---\nnode: b\n", "line 2, column 1: but found another document"),
        (
            b"node: !!python/object/apply:os.system [id]\n",
            "line 1, column 7: could not determine a constructor",
        ),
        (b"node: \xff\n", "is not valid YAML: "),
        (b"x: " + b"[" * 5000, "is not valid YAML: maximum recursion depth"),
        (b"#" * (4 * 1024 * 1024 + 1), "is larger than 4194304 bytes"),
    ],
)
def test_invalid_file_is_reported_on_one_line(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "agent.yaml"
    path.write_bytes(content)
    (line,) = refusal(load_file, path)
    assert line.startswith(text)


def test_recursive_alias_is_rejected(tmp_path: Path) -> None:
    assert "services.apex.apex: unknown key" in refusal(read, tmp_path, "services: &a {apex: *a}")[0]


def test_unreadable_files(tmp_path: Path) -> None:
    assert refusal(load_file, tmp_path / "none") == [
        f"{tmp_path}/none: cannot be read: No such file or directory"
    ]
    assert refusal(load_file, tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(load_file, tmp_path / "loop") == [
        f"{tmp_path}/loop: cannot be read: Too many levels of symbolic links"
    ]
