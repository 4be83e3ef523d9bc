"""Consul servers that speak TLS and demand a certificate: let in, refused in words, let in again (S3)."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.consul.under_test import LIFE, ConsulUnderTest, opened
from tests.contract.sessions import NO_KEY_USAGE, wait_detail, wait_read_refused
from tests.servers.certificates import Authority
from tests.servers.consul import HOST, Consul
from tests.servers.process import free_port, wait_for
from vipagent.net.tls import Verify, client_context
from vipagent.store.backend import Entry
from vipagent.testing.faults import LATE
from vipagent.testing.peers import MEMBERS, member
from vipagent.testing.store import PATIENCE
from vipagent.types import Claim, StoreState


@dataclass(frozen=True)
class Secured:
    """A server that demands a certificate of its authority, and what an agent needs to be let in."""

    server: Consul
    authority: Authority
    options: Mapping[str, object]


def secured(
    directory: Path, subjects: str = "DNS:localhost,IP:127.0.0.1", days: int = 2, *, plain: bool = False
) -> Secured:
    """Start a server whose certificate is for `subjects`, and valid for `days`; `plain` is `Authority`'s."""
    authority = Authority(directory / "authority", plain=plain)
    own, client = authority.issue("server", subjects, days), authority.issue("agent")
    settings = {
        "ca_file": str(authority.cert),
        "cert_file": str(own.cert),
        "key_file": str(own.key),
        "verify_incoming_https": True,
    }
    tests = client_context(Verify.NO)  # the tests' own requests are not what is tested
    tests.load_cert_chain(client.cert, client.key)
    server = Consul(directory / "server", settings, tls=tests)
    server.start()
    options = {
        "tls": True,
        "ca": str(authority.cert),
        "certfile": str(client.cert),
        "keyfile": str(client.key),
    }
    return Secured(server, authority, options)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    secure = secured(tmp_path_factory.mktemp("tls"))
    yield secure
    secure.server.stop()


def refused(server: Consul, options: Mapping[str, object], host: str, words: str) -> None:
    """Assert that an agent is not let in, and says where and why; so does a command."""
    with opened(ConsulUnderTest(server, options, (host,))) as agent:
        wait_detail(agent, f"{host}: {words}")
        assert set(agent.seen.states()) == {StoreState.LOST}
        wait_read_refused(agent, f"{host}: {words}")


def test_let_in(secure: Secured) -> None:
    for host in (secure.server.address, f"localhost:{secure.server.port}"):
        with opened(ConsulUnderTest(secure.server, secure.options, (host,))) as agent:
            agent.wait_claim(member(1), Claim.OURS, PATIENCE)
            assert set(agent.backend.read(MEMBERS, PATIENCE)) == {member(1).name}


def test_cut_and_frozen_with_tls(secure: Secured) -> None:
    """Queries over TLS end as others do: at once when they are cut, in time when nothing answers."""
    with opened(ConsulUnderTest(secure.server, secure.options)) as agent:
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)
        agent.backend.watch(MEMBERS, frozenset())  # cuts the query that waits
        wait_for("the new question is answered", lambda: agent.entry(member(1)) == Entry())
        secure.server.pause()
        try:
            agent.seen.wait_state(StoreState.LOST, LIFE + LATE)
        finally:
            secure.server.resume()
        agent.seen.wait_state(StoreState.CONNECTED, PATIENCE)


def test_no_certificate(secure: Secured) -> None:
    options = {"tls": True, "ca": secure.options["ca"]}
    refused(secure.server, options, secure.server.address, "TLS fails: .*CERTIFICATE")


def test_a_certificate_of_another_authority(secure: Secured, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").issue("agent")
    options = {**secure.options, "certfile": str(other.cert), "keyfile": str(other.key)}
    refused(secure.server, options, secure.server.address, "TLS fails: ")


def test_a_server_of_another_authority_until_it_is_ours(secure: Secured, tmp_path: Path) -> None:
    """Once the file holds the right authority, the agent gets in without a restart."""
    ca = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path / "other").cert, ca)
    options = {**secure.options, "ca": str(ca)}
    with opened(ConsulUnderTest(secure.server, options)) as agent:
        wait_detail(agent, ".*: its certificate is not accepted: ")
        ca.write_text("no certificate")
        wait_detail(agent, ".* is not asked: ")
        shutil.copy(secure.authority.cert, ca)
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)


def test_an_expired_certificate(tmp_path: Path) -> None:
    expired = secured(tmp_path, days=-1)
    try:
        words = "its certificate is not accepted: certificate has expired"
        refused(expired.server, expired.options, expired.server.address, words)
    finally:
        expired.server.stop()


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """It is refused, unless `verify: false` says that nobody shall look."""
    misnamed = secured(tmp_path, "DNS:consul.invalid")
    try:
        words = "its certificate is not accepted: IP address mismatch"
        refused(misnamed.server, misnamed.options, misnamed.server.address, words)
        with opened(ConsulUnderTest(misnamed.server, {**misnamed.options, "verify": False})) as agent:
            agent.wait_claim(member(1), Claim.OURS, PATIENCE)
    finally:
        misnamed.server.stop()


def test_a_plain_authority_is_good_unless_strictness_is_asked_for(tmp_path: Path) -> None:
    """One as operators make it, without a key usage: what is refused says so, and what to do."""
    plain = secured(tmp_path, plain=True)
    try:
        strict = {**plain.options, "verify": "strict"}
        words = re.escape(f"its certificate is not accepted: {NO_KEY_USAGE}")
        refused(plain.server, strict, plain.server.address, words)
        with opened(ConsulUnderTest(plain.server, plain.options)) as agent:
            agent.wait_claim(member(1), Claim.OURS, PATIENCE)
    finally:
        plain.server.stop()


def test_strict_verification_of_a_complete_authority(secure: Secured) -> None:
    with opened(ConsulUnderTest(secure.server, {**secure.options, "verify": "strict"})) as agent:
        agent.wait_claim(member(1), Claim.OURS, PATIENCE)


def test_http_to_a_server_of_https(secure: Secured) -> None:
    refused(secure.server, {}, secure.server.address, "Consul answers 400: Client sent an HTTP request to an")


def test_https_to_a_server_of_http(secure: Secured, tmp_path: Path) -> None:
    plain = Consul(tmp_path / "plain")
    plain.start()
    try:
        refused(plain, secure.options, plain.address, "TLS fails: WRONG_VERSION_NUMBER")
    finally:
        plain.stop()


def test_a_name_that_does_not_resolve(secure: Secured) -> None:
    refused(secure.server, secure.options, "consul.invalid:8500", "its name does not resolve: ")


def test_nobody_listens(secure: Secured) -> None:
    refused(secure.server, {}, f"{HOST}:{free_port()}", "connection refused")
