import pytest

from tests.unit.config_files import fake_backends, refusal
from vipagent.config import load
from vipagent.config.load import load_options, load_store
from vipagent.net.endpoint import Endpoint
from vipagent.net.tls import Verify
from vipagent.types import Takeover

__all__ = ["fake_backends"]
pytestmark = pytest.mark.usefixtures("fake_backends")

APEX = {"service": "apex", "auth_ip": ("10.0.0.1",), "node": "node1"}


def test_options_correspond_to_keys() -> None:
    config = load_options(
        {
            "service": "apex",
            "node": "node1",
            "backend": "zookeeper",
            "hosts": ("a:1,b:2", "c:3"),
            "auth_ip": ("10.0.0.1",),
            "vip": ("10.0.0.2", "10.0.0.3/32"),
            "takeover": "one",
            "med": "7",
            "community": ("64500:1 64500:2", "no-export"),
            "interval": "0.5",
            "ip_setup": True,
            "log_level": "warning",
        }
    )
    assert (config.backend, config.store.node, config.store.hosts) == (
        "zookeeper",
        "node1",
        ("a:1", "b:2", "c:3"),
    )
    (apex,) = config.services
    assert (apex.name, apex.core.owned, apex.core.takeover) == ("apex", ("10.0.0.1",), Takeover.ONE)
    assert apex.core.pool == ("10.0.0.1", "10.0.0.2", "10.0.0.3")
    assert (apex.routes.med, apex.check.interval, apex.ip_setup) == (7, 0.5, True)
    assert apex.routes.community == ("64500:1", "64500:2", "no-export")
    assert config.log.log_level == "WARNING"


@pytest.mark.parametrize("given", ["true", "false", "strict"])
def test_values_of_check_verify(given: str) -> None:
    (apex,) = load_options({**APEX, "check": "https://127.0.0.1/", "check_verify": given}).services
    assert apex.check.check_verify is Verify(given)


def test_problems_refer_to_options() -> None:
    given = {
        "vip": ("x",),
        "med": "a",
        "local_preference": "-1",
        "node": "all",
        "next_hop": ("h",),
        "prepend": "1",
    }
    lines = refusal(load_options, given)
    assert [line.split(": ")[:2] for line in lines] == [
        ["command line", option]
        for option in (
            "--node",
            "--service",
            "--vip",
            "--med",
            "--next-hop",
            "--local-preference",
            "--prepend",
        )
    ]


def test_service_name_is_required() -> None:
    good = {"auth_ip": ("10.0.0.1",), "node": "node1"}
    assert refusal(load_options, good) == ["command line: --service: is required"]
    (line,) = refusal(load_options, {**good, "service": "a/b"})
    assert line.startswith("command line: --service: 'a/b' is not a valid name")


def test_rules_apply_to_options() -> None:
    given = {
        "service": "apex",
        "node": "node1",
        "auth_ip": ("10.0.0.1", "10.0.0.1"),
        "check": "x",
        "backend": "nosuch",
    }
    assert (
        refusal(load_options, given)[0]
        == "command line: --backend: 'nosuch' is not a known backend; installed: file"
    )
    assert "command line: --auth-ip: '10.0.0.1' is listed twice" in refusal(load_options, given)


def test_store_options_alone_are_accepted() -> None:
    config = load_store({"backend": "zookeeper", "hosts": ("a:1",), "prefix": "/x"})
    assert (config.backend, config.store.hosts, config.store.prefix) == ("zookeeper", ("a:1",), "/x")
    assert config.services == ()
    assert refusal(load_store, {"prefix": "x"})[0].startswith(
        "command line: --prefix: 'x' is not a valid absolute path"
    )


@pytest.mark.parametrize(
    ("given", "host", "port"),
    [
        ("9100", "127.0.0.1", 9100),
        (":9100", "127.0.0.1", 9100),
        ("localhost:9100", "127.0.0.1", 9100),
        ("0.0.0.0:09100", "0.0.0.0", 9100),
        ("[::1]:1", "::1", 1),
        ("[2001:DB8:0::1]:65535", "2001:db8::1", 65535),
    ],
)
def test_listen_addresses(given: str, host: str, port: int) -> None:
    config = load_options({**APEX, "listen": given})
    assert config.listen == str(Endpoint(host, port))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("lb1.example:9100", "is not a valid listen address: "),
        ("*:9100", "is not a valid listen address: "),
        ("2001:db8::1:80", "is not a valid listen address, brackets are for IPv6: "),
        ("[127.0.0.1]:80", "is not a valid listen address, brackets are for IPv6: "),
        ("127.0.0.1:0", "has no valid port (1 to 65535): "),
        ("127.0.0.1:65536", "has no valid port (1 to 65535): "),
        ("127.0.0.1:", "has no valid port (1 to 65535): "),
        ("http", "has no valid port (1 to 65535): "),
    ],
)
def test_invalid_listen_addresses(given: str, complaint: str) -> None:
    (problem,) = refusal(load_options, {**APEX, "listen": given})
    assert problem.startswith(f"command line: --listen: {given!r} {complaint}")


def test_listen_is_off_by_default() -> None:
    assert load_options(APEX).listen is None


def test_missing_metrics_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LISTEN_LIBRARY", "no_such_library")
    assert refusal(load_options, {**APEX, "listen": "9100"}) == [
        "command line: --listen: '127.0.0.1:9100' needs the library no_such_library: "
        "install vipagent with its extra [listen]"
    ]
