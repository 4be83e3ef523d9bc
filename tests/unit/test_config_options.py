import pytest

from tests.unit.configured import pretended, refusal
from vipagent.config import load
from vipagent.config.load import load_options, load_store
from vipagent.core.words import Takeover
from vipagent.net.endpoint import Endpoint
from vipagent.net.tls import Verify

__all__ = ["pretended"]
pytestmark = pytest.mark.usefixtures("pretended")

APEX = {"service": "apex", "auth_ip": ("10.0.0.1",), "node": "node1"}


def test_options_are_keys_by_another_spelling() -> None:
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
def test_how_a_check_verifies(given: str) -> None:
    (apex,) = load_options({**APEX, "check": "https://127.0.0.1/", "check_verify": given}).services
    assert apex.check.check_verify is Verify(given)


def test_problems_name_options() -> None:
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


def test_a_service_needs_a_name() -> None:
    good = {"auth_ip": ("10.0.0.1",), "node": "node1"}
    assert refusal(load_options, good) == ["command line: --service: is missing: the service's name"]
    (line,) = refusal(load_options, {**good, "service": "a/b"})
    assert line.startswith("command line: --service: 'a/b' is no name")


def test_the_same_rules_hold() -> None:
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
    assert "command line: --auth-ip: '10.0.0.1' is there twice" in refusal(load_options, given)


def test_where_the_store_is_can_be_said_alone() -> None:
    config = load_store({"backend": "zookeeper", "hosts": ("a:1",), "prefix": "/x"})
    assert (config.backend, config.store.hosts, config.store.prefix) == ("zookeeper", ("a:1",), "/x")
    assert config.services == ()
    assert refusal(load_store, {"prefix": "x"})[0].startswith(
        "command line: --prefix: 'x' is no absolute path"
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
def test_where_to_listen(given: str, host: str, port: int) -> None:
    config = load_options({**APEX, "listen": given})
    assert config.listen == str(Endpoint(host, port))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("lb1.example:9100", "is no address to listen at: "),
        ("*:9100", "is no address to listen at: "),
        ("2001:db8::1:80", "is no address to listen at, for brackets are for IPv6: "),
        ("[127.0.0.1]:80", "is no address to listen at, for brackets are for IPv6: "),
        ("127.0.0.1:0", "has no port from 1 to 65535: "),
        ("127.0.0.1:65536", "has no port from 1 to 65535: "),
        ("127.0.0.1:", "has no port from 1 to 65535: "),
        ("http", "has no port from 1 to 65535: "),
    ],
)
def test_where_nobody_can_listen(given: str, complaint: str) -> None:
    (problem,) = refusal(load_options, {**APEX, "listen": given})
    assert problem.startswith(f"command line: --listen: {given!r} {complaint}")


def test_nothing_is_listened_to_unless_asked_for() -> None:
    assert load_options(APEX).listen is None


def test_without_the_library_of_metrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LISTEN_LIBRARY", "no_such_library")
    assert refusal(load_options, {**APEX, "listen": "9100"}) == [
        "command line: --listen: '127.0.0.1:9100' needs the library no_such_library: "
        "install vipagent with its extra [listen]"
    ]
