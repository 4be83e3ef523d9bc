import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fake_dns import fake_getaddrinfo
from tests.servers.certificates import Authority
from tests.servers.process import free_port
from tests.unit.check_server import answering, check
from tests.unit.waiting import eventually
from vipagent import __version__
from vipagent.checks.outcome import CheckOutcome
from vipagent.net.tls import Verify, system_context
from vipagent.testing.slowness import allowed


def answered(*chunks: bytes) -> CheckOutcome:
    async def scenario() -> CheckOutcome:
        async with answering(*chunks) as server:
            outcome = await check(f"http://127.0.0.1:{server.port}/")
        return CheckOutcome(outcome.good, outcome.detail.replace(f":{server.port}/", "/"))

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "good"),
    [(200, True), (204, True), (301, True), (399, True), (400, False), (404, False), (503, False)],
)
def test_2xx_and_3xx_succeed(status: int, good: bool) -> None:
    outcome = answered(b"HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n" % status)
    assert outcome == CheckOutcome(good, f"HTTP {status} from http://127.0.0.1/")


@pytest.mark.parametrize(
    "chunks",
    [
        (b"HTTP/1.0 200 OK\r\n\r\nold",),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",),
        (b"H", b"TTP/1.1 20", b"0 OK\r", b"\nX: y\r\n\r", b"\n"),
    ],
)
def test_variants_of_responses_are_parsed(chunks: tuple[bytes, ...]) -> None:
    assert answered(*chunks) == CheckOutcome(True, "HTTP 200 from http://127.0.0.1/")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"\0" * 100_000,
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_invalid_http_fails(answer: bytes) -> None:
    outcome = answered(answer)
    assert not outcome.good
    assert outcome.detail.startswith(
        ("invalid HTTP response from http://127.0.0.1/: ", "connection to http://127.0.0.1/ failed: ")
    )


def test_request_is_a_plain_get() -> None:
    async def scenario() -> tuple[str, int]:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as server:
            await check(f"http://127.0.0.1:{server.port}/health?deep=1")
            return server.asked[0], server.port

    asked, port = asyncio.run(scenario())
    first, *headers = asked.rstrip("\r\n").split("\r\n")
    assert first == "GET /health?deep=1 HTTP/1.1"
    assert dict(header.lower().split(": ") for header in headers) == {
        "host": f"127.0.0.1:{port}",
        "user-agent": f"vipagent/{__version__}",
        "accept": "*/*",
        "connection": "close",
    }


def test_check_does_not_wait_for_the_body() -> None:
    async def scenario() -> CheckOutcome:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
        async with answering(head, b"x" * 100_000, hang=True) as server:
            return await check(f"http://127.0.0.1:{server.port}/", 60)

    started = time.monotonic()
    assert asyncio.run(scenario()).good
    assert time.monotonic() - started < allowed(10)


@pytest.mark.parametrize("chunks", [(), (b"HTTP/1.1 200 OK\r\nX: y",)])
def test_timeout_without_a_response(chunks: tuple[bytes, ...]) -> None:
    async def scenario() -> None:
        async with answering(*chunks, hang=True) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert await check(url, 0.3) == CheckOutcome(False, f"no response from {url} within 0.3 s")

    asyncio.run(scenario())


def test_connection_refused() -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    assert asyncio.run(check(url)) == CheckOutcome(False, f"connection refused by {url}")


def test_unresolvable_name() -> None:
    outcome = asyncio.run(check("http://no-such-name.invalid/", 60))
    assert not outcome.good
    assert outcome.detail.startswith("name resolution of http://no-such-name.invalid/ failed: ")


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"two-addresses.example": ("::1", "127.0.0.1")}
    monkeypatch.setattr(socket, "getaddrinfo", fake_getaddrinfo(known))

    async def scenario() -> CheckOutcome:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as server:
            return await check(f"http://two-addresses.example:{server.port}/")

    assert asyncio.run(scenario()).good


def test_ipv6_address() -> None:
    async def scenario() -> None:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n", host="::1") as server:
            assert (await check(f"http://[::1]:{server.port}/")).good
            assert f"host: [::1]:{server.port}\r\n" in server.asked[0].lower()

    asyncio.run(scenario())


def test_literal_address_uses_no_thread_and_leaks_no_descriptor() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def scenario() -> None:
        before = descriptors()
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000) as server:
            for _ in range(200):
                assert (await check(f"http://127.0.0.1:{server.port}/")).good
        assert threading.active_count() <= threads  # a thread of an earlier test may have ended
        await eventually("all descriptors are closed", lambda: descriptors() == before)

    threads = threading.active_count()
    asyncio.run(scenario())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority created with `openssl req -x509`, without a key usage."""
    return Authority(tmp_path_factory.mktemp("plain"), plain=True)


@pytest.fixture
def system_trust(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Add an authority to the system's trusted ones, as `update-ca-certificates` does."""

    def trust(ca: Path) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        system_context.cache_clear()

    yield trust
    system_context.cache_clear()


def checked_by_tls(authority: Authority, verify: Verify = Verify.YES) -> CheckOutcome:
    """Check a healthy server with a certificate issued by this authority."""
    own = authority.issue("server")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(own.cert, own.key)

    async def scenario() -> CheckOutcome:
        async with answering(b"HTTP/1.1 200 OK\r\n\r\n", hang=True, tls=serving) as server:
            outcome = await check(f"https://127.0.0.1:{server.port}/", verify=verify)
        return CheckOutcome(outcome.good, outcome.detail.replace(f":{server.port}/", "/"))

    return asyncio.run(scenario())


TLS_SUCCESS = CheckOutcome(True, "HTTP 200 from https://127.0.0.1/")


def test_tls_with_a_trusted_authority(plain: Authority, system_trust: Callable[[Path], None]) -> None:
    system_trust(plain.cert)
    assert checked_by_tls(plain) == TLS_SUCCESS


def test_tls_with_an_untrusted_authority(plain: Authority) -> None:
    reason = "unable to get local issuer certificate"
    assert checked_by_tls(plain) == CheckOutcome(
        False, f"certificate of https://127.0.0.1/ rejected: {reason}"
    )
    assert checked_by_tls(plain, Verify.NO) == TLS_SUCCESS


def test_tls_with_strict_verification(
    plain: Authority, tmp_path: Path, system_trust: Callable[[Path], None]
) -> None:
    """The message names strict verification as the cause, and a remedy."""
    system_trust(plain.cert)
    outcome = checked_by_tls(plain, Verify.STRICT)
    assert not outcome.good
    assert outcome.detail == (
        "certificate of https://127.0.0.1/ rejected: CA cert does not include key usage extension, "
        "rejected by `check_verify: strict`: create the authority's certificate with "
        "keyUsage=critical,keyCertSign,cRLSign, or remove `check_verify: strict`"
    )
    complete = Authority(tmp_path / "complete")
    system_trust(complete.cert)
    assert checked_by_tls(complete, Verify.STRICT) == TLS_SUCCESS


def test_tls_with_a_plaintext_server() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            outcome = await check(url)
        assert not outcome.good
        assert outcome.detail.startswith((f"TLS to {url} failed: ", f"connection to {url} failed: "))

    asyncio.run(scenario())
