"""Invalid options, hosts and prefixes for Consul are rejected by the constructor."""

from pathlib import Path

import pytest

from vipagent.net.endpoint import Endpoint
from vipagent.store.access import parse_options
from vipagent.store.backend import StoreConfigError, StoreSettings
from vipagent_consul import ConsulDriver
from vipagent_consul.options import ConsulOptions, parse_endpoints
from vipagent_consul.session import SessionKind


def refusal(options: dict[str, object], **settings: object) -> str:
    """Return the error of the constructor."""
    with pytest.raises(StoreConfigError) as refused:
        ConsulDriver(StoreSettings("node1", "run1", options=options, **settings))  # type: ignore[arg-type]
    return str(refused.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"session": "lease"}, ["session", "'lease'", "'check' or 'ttl'"]),
        ({"serf_health": "perhaps"}, ["serf_health", "'perhaps'", "boolean"]),
        ({"ttl": 9}, ["ttl", "9", "greater than or equal to 10"]),
        ({"ttl": 86401}, ["ttl", "86401", "less than or equal to 86400"]),
        ({"ttl": "soon"}, ["ttl", "'soon'", "integer"]),
        ({"service": "a b"}, ["service", "'a b'", "letters, digits and '-'"]),
        ({"token_env": "VIPAGENT_UNSET"}, ["token_env", "VIPAGENT_UNSET", "not set"]),
        ({"token_file": "/nowhere"}, ["token_file", "/nowhere", "No such file"]),
        ({"token_file": "/dev/null"}, ["token_file", "/dev/null", "is empty"]),
        ({"token_file": "/dev/null", "token_env": "X"}, ["token_file and token_env", "mutually exclusive"]),
        ({"ca": "/dev/null"}, ["ca needs tls: true"]),
        ({"tls": True, "ca": "/nowhere"}, ["ca", "/nowhere", "No such file"]),
        ({"tls": True, "keyfile": "/dev/null"}, ["keyfile needs certfile"]),
        ({"colour": "red"}, ["colour", "unknown option", "token_file", "serf_health"]),
    ],
)
def test_options_that_never_work(options: dict[str, object], words: list[str]) -> None:
    message = refusal(options)
    for word in words:
        assert word in message


def test_a_secret_that_was_given_is_not_repeated() -> None:
    assert "s3cret" not in refusal({"token": "s3cret"})


@pytest.mark.parametrize("token", ["two\nlines", "not \u00e4scii", "\x1b[31m"])
def test_a_token_that_is_not_a_header(tmp_path: Path, token: str) -> None:
    file = tmp_path / "token"
    file.write_text(token)
    message = refusal({"token_file": str(file)})
    assert f"token_file: {file} does not contain a token" in message
    assert token not in message


@pytest.mark.parametrize(
    "host", ["", "http://consul:8500", "consul:port", "consul:0", "consul:70000", "a b", "::1"]
)
def test_hosts_that_never_work(host: str) -> None:
    assert repr(host) in refusal({}, hosts=(host,))


@pytest.mark.parametrize("prefix", ["", "/", "//", "/a//b", "/a/../b", "/a\nb"])
def test_prefixes_that_never_work(prefix: str) -> None:
    assert repr(prefix) in refusal({}, prefix=prefix)


def test_hosts_and_their_default_port() -> None:
    assert parse_endpoints(()) == (Endpoint("127.0.0.1", 8500),)
    assert parse_endpoints(("consul", "[::1]:18500")) == (Endpoint("consul", 8500), Endpoint("::1", 18500))
    assert [str(endpoint) for endpoint in parse_endpoints(("consul", "[::1]"))] == [
        "consul:8500",
        "[::1]:8500",
    ]


@pytest.mark.parametrize(
    ("options", "requested", "timeout", "ttl"),
    [
        ({}, 6.0, 6.0, 10),
        ({}, 0.1, 1.0, 10),
        ({}, 30.0, 30.0, 30),
        ({"ttl": 60}, 30.0, 30.0, 60),
        ({"session": "ttl"}, 6.0, 10.0, 10),
        ({"session": "ttl"}, 12.5, 13.0, 13),
        ({"session": "ttl", "ttl": 20}, 6.0, 20.0, 20),
    ],
)
def test_the_granted_timeout(options: dict[str, object], requested: float, timeout: float, ttl: int) -> None:
    """Never more than the TTL; it is renewed three times per timeout."""
    settings = StoreSettings("node1", "run1", session_timeout=requested)
    kind = SessionKind(settings, parse_options(ConsulOptions, options))
    assert (kind.timeout, kind.ttl) == (timeout, ttl)
